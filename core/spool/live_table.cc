#include "core/spool/live_table.h"

#include "core/base/assert.h"

#include <utility>

namespace godwit::spool {

size_t LiveTable::home_of(MessageKey key) const noexcept {
  uint64_t mixed = (key.high ^ (key.low << 32 | key.low >> 32)) * 0x9e3779b97f4a7c15u;
  mixed ^= mixed >> 29;
  mixed = (mixed ^ key.low) * 0xbf58476d1ce4e5b9u;
  return static_cast<size_t>(mixed >> 20) & (keys_.size() - 1);
}

uint32_t LiveTable::find(MessageKey key) const noexcept {
  if (keys_.empty()) return kNone;
  for (size_t at = home_of(key); keys_[at] != kNone; at = (at + 1) & (keys_.size() - 1)) {
    if ((*this)[keys_[at]].key == key) return keys_[at];
  }
  return kNone;
}

void LiveTable::grow_keys() {
  const std::vector<uint32_t> old =
      std::exchange(keys_, std::vector<uint32_t>(keys_.empty() ? 1024 : keys_.size() * 2, kNone));
  for (const uint32_t slot : old) {
    if (slot == kNone) continue;
    size_t at = home_of((*this)[slot].key);
    while (keys_[at] != kNone) at = (at + 1) & (keys_.size() - 1);
    keys_[at] = slot;
  }
}

uint32_t LiveTable::insert(MessageKey key, Segment& segment, uint32_t offset, uint32_t record_bytes,
                           bool is_large) {
  GODWIT_ASSERT(find(key) == kNone);
  if ((size_ + 1) * 8 > keys_.size() * 7) grow_keys();
  if (first_free_ == kNone) {
    const auto base = static_cast<uint32_t>(blocks_.size() * kBlock);
    blocks_.push_back(std::make_unique<LiveMessage[]>(kBlock));
    for (uint32_t i = kBlock; i-- > 0;) {
      blocks_.back()[i].next = first_free_;
      first_free_ = base + i;
    }
  }
  const uint32_t slot = first_free_;
  LiveMessage& message = (*this)[slot];
  first_free_ = message.next;
  message = LiveMessage{};
  message.key = key;
  message.at = {segment.number, offset};
  message.record_units = (record_bytes / kRecordAlignment) & ((1u << 28) - 1);
  message.is_used = true;
  message.is_large = is_large;
  link(slot, segment);
  size_t at = home_of(key);
  while (keys_[at] != kNone) at = (at + 1) & (keys_.size() - 1);
  keys_[at] = slot;
  ++size_;
  return slot;
}

void LiveTable::erase(uint32_t slot, Segment& segment) {
  LiveMessage& message = (*this)[slot];
  GODWIT_ASSERT(message.is_used);
  unlink(slot, segment);
  const size_t mask = keys_.size() - 1;
  size_t hole = home_of(message.key);
  while (keys_[hole] != slot) hole = (hole + 1) & mask;
  // Backward shift: whoever probed past the hole moves into it.
  for (size_t at = (hole + 1) & mask; keys_[at] != kNone; at = (at + 1) & mask) {
    const size_t home = home_of((*this)[keys_[at]].key);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    keys_[hole] = keys_[at];
    hole = at;
  }
  keys_[hole] = kNone;
  message = LiveMessage{};
  message.next = first_free_;
  first_free_ = slot;
  --size_;
}

void LiveTable::move(uint32_t slot, Segment& from, Segment& to, uint32_t offset,
                     uint32_t record_bytes) {
  unlink(slot, from);
  LiveMessage& message = (*this)[slot];
  message.at = {to.number, offset};
  message.record_units = (record_bytes / kRecordAlignment) & ((1u << 28) - 1);
  link(slot, to);
}

void LiveTable::link(uint32_t slot, Segment& segment) {
  LiveMessage& message = (*this)[slot];
  message.previous = kNone;
  message.next = segment.first_live;
  if (message.next != kNone) (*this)[message.next].previous = slot;
  segment.first_live = slot;
  ++segment.live_messages;
  segment.live_bytes += message.record_bytes();
}

void LiveTable::unlink(uint32_t slot, Segment& segment) {
  LiveMessage& message = (*this)[slot];
  GODWIT_ASSERT(message.at.segment == segment.number);
  if (message.next != kNone) (*this)[message.next].previous = message.previous;
  if (message.previous != kNone) {
    (*this)[message.previous].next = message.next;
  } else {
    segment.first_live = message.next;
  }
  --segment.live_messages;
  segment.live_bytes -= message.record_bytes();
}

size_t LiveTable::memory_bytes() const noexcept {
  return blocks_.size() * (kBlock * sizeof(LiveMessage) + sizeof(void*)) +
         keys_.capacity() * sizeof(uint32_t);
}

}  // namespace godwit::spool
