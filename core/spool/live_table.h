// LiveTable: the messages that live, 48 bytes each and about 8 for the key table. Slots are
// numbered, reused after erase(), never moved. Each segment threads a list through its messages.
#pragma once

#include "core/spool/record.h"
#include "core/spool/segment.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace godwit::spool {

struct LiveMessage {
  MessageKey key;
  Position at;
  Position last_update;  // the newest record of its chain of updates
  uint32_t next = 0;     // in the segment's list, or in the free list
  uint32_t previous = 0;
  uint32_t chain_segment = 0;      // where the updates that count begin; 0: there are none
  uint32_t record_units : 28 = 0;  // of kRecordAlignment bytes
  bool is_used : 1 = false;
  bool is_ended : 1 = false;  // end() was called; the record of it may not be on disk yet
  bool is_large : 1 = false;

  uint32_t record_bytes() const { return record_units * kRecordAlignment; }
};
static_assert(sizeof(LiveMessage) == 48);

class LiveTable {
 public:
  static constexpr uint32_t kNone = MessageRef::kNoSlot;

  LiveTable() = default;
  LiveTable(LiveTable&&) = default;
  LiveTable& operator=(LiveTable&&) = default;

  // The slot of a new message in `segment`; the key must not be there.
  uint32_t insert(MessageKey key, Segment& segment, uint32_t offset, uint32_t record_bytes,
                  bool is_large);
  void erase(uint32_t slot, Segment& segment);
  void move(uint32_t slot, Segment& from, Segment& to, uint32_t offset, uint32_t record_bytes);
  uint32_t find(MessageKey key) const noexcept;

  LiveMessage& operator[](uint32_t slot) { return blocks_[slot / kBlock][slot % kBlock]; }
  const LiveMessage& operator[](uint32_t slot) const {
    return blocks_[slot / kBlock][slot % kBlock];
  }
  bool is_valid(uint32_t slot) const noexcept {
    return slot < blocks_.size() * kBlock && (*this)[slot].is_used;
  }
  size_t size() const noexcept { return size_; }
  size_t memory_bytes() const noexcept;

 private:
  static constexpr size_t kBlock = 4096;

  size_t home_of(MessageKey key) const noexcept;
  void grow_keys();
  void link(uint32_t slot, Segment& segment);
  void unlink(uint32_t slot, Segment& segment);

  std::vector<std::unique_ptr<LiveMessage[]>> blocks_;
  std::vector<uint32_t> keys_;  // open addressing, a power of two, at most 7/8 full
  uint32_t first_free_ = kNone;
  size_t size_ = 0;
};

}  // namespace godwit::spool
