#include "core/spool/index_block.h"

namespace godwit::spool {
namespace {

constexpr uint32_t kEntryBytes = 32;
constexpr uint32_t kMessageEntryBytes = 24;
constexpr uint32_t kNotInline = UINT32_MAX;

bool fits_inline(const IndexEntry& entry) {
  return entry.is_inline && entry.items.size() <= kIndexedUpdateBytesMax;
}

}  // namespace

uint32_t IndexBuilder::entry_bytes(const IndexEntry& entry) {
  uint32_t bytes = kEntryBytes;
  if (entry.type == RecordType::message) bytes += kMessageEntryBytes;
  if (fits_inline(entry)) bytes += static_cast<uint32_t>(entry.items.size());
  return bytes;
}

void IndexBuilder::add(const IndexEntry& entry) {
  ++count_;
  if (entry.type == RecordType::update) ++updates_;
  if (entry.type == RecordType::survivors) ++survivors_;
  put_u32(entries_, static_cast<uint32_t>(entry.type) | static_cast<uint32_t>(entry.flags) << 8);
  put_u32(entries_, entry.offset);
  put_u32(entries_, entry.record_bytes);
  const bool inlined = fits_inline(entry);
  put_u32(entries_, inlined ? static_cast<uint32_t>(entry.items.size()) : kNotInline);
  put_u64(entries_, entry.key.high);
  put_u64(entries_, entry.key.low);
  if (entry.type == RecordType::message) {
    put_u32(entries_, entry.envelope_bytes);
    put_u32(entries_, entry.header_bytes);
    put_u64(entries_, entry.body_bytes);
    put_u64(entries_, static_cast<uint64_t>(entry.received.micros));
  }
  if (inlined) entries_ += entry.items;
}

std::string IndexBuilder::payload() const {
  std::string out;
  out.reserve(payload_bytes());
  put_u32(out, count_);
  put_u32(out, updates_);
  put_u32(out, survivors_);
  put_u32(out, 0);
  out += entries_;
  return out;
}

IndexReader::IndexReader(std::string_view payload) : payload_(payload) {
  if (payload.size() < IndexBuilder::kIndexFixedBytes) {
    broken_ = true;
    return;
  }
  left_ = get_u32(payload, 0);
  updates_ = get_u32(payload, 4);
  survivors_ = get_u32(payload, 8);
}

std::optional<IndexEntry> IndexReader::next() {
  if (left_ == 0 || broken_) return std::nullopt;
  broken_ = true;  // until the entry proves whole
  if (payload_.size() - at_ < kEntryBytes) return std::nullopt;
  IndexEntry entry;
  const uint32_t kind = get_u32(payload_, at_);
  entry.type = static_cast<RecordType>(kind & 0xff);
  entry.flags = static_cast<uint8_t>(kind >> 8);
  entry.offset = get_u32(payload_, at_ + 4);
  entry.record_bytes = get_u32(payload_, at_ + 8);
  const uint32_t items = get_u32(payload_, at_ + 12);
  entry.key.high = get_u64(payload_, at_ + 16);
  entry.key.low = get_u64(payload_, at_ + 24);
  at_ += kEntryBytes;
  if (entry.type == RecordType::message) {
    if (payload_.size() - at_ < kMessageEntryBytes) return std::nullopt;
    entry.envelope_bytes = get_u32(payload_, at_);
    entry.header_bytes = get_u32(payload_, at_ + 4);
    entry.body_bytes = get_u64(payload_, at_ + 8);
    entry.received.micros = static_cast<int64_t>(get_u64(payload_, at_ + 16));
    at_ += kMessageEntryBytes;
  }
  entry.is_inline = items != kNotInline;
  if (entry.is_inline) {
    if (payload_.size() - at_ < items) return std::nullopt;
    entry.items = payload_.substr(at_, items);
    at_ += items;
  }
  --left_;
  broken_ = false;
  return entry;
}

}  // namespace godwit::spool
