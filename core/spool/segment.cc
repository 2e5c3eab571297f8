#include "core/spool/segment.h"

#include "core/spool/crc32c.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace godwit::spool {
namespace {

constexpr std::string_view kSegmentPrefix = "seg-";
constexpr std::string_view kSparePrefix = "spare-";
constexpr size_t kNumberDigits = 8;

std::string numbered(std::string_view prefix, uint32_t number) {
  char digits[kNumberDigits + 1];
  std::snprintf(digits, sizeof digits, "%08x", number);
  return std::string(prefix) + digits;
}

std::optional<uint32_t> number_after(std::string_view prefix, std::string_view name) {
  if (name.size() != prefix.size() + kNumberDigits || !name.starts_with(prefix)) return {};
  uint32_t number = 0;
  const char* first = name.data() + prefix.size();
  const char* last = name.data() + name.size();
  const auto [end, error] = std::from_chars(first, last, number, 16);
  if (error != std::errc{} || end != last || number == 0) return {};
  return number;
}

std::string whole_record(const Segment& segment, RecordType type, uint32_t offset,
                         std::string_view payload) {
  RecordHeader header;
  header.type = type;
  header.segment = segment.number;
  header.offset = offset;
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  header.synced_to = segment.synced_to;
  header.payload_crc = crc32c(salt_for(type, segment.salt), payload);
  std::string out(header.record_bytes(), '\0');
  encode_header(header, segment.salt, out.data());
  payload.copy(out.data() + kRecordHeaderBytes, payload.size());
  return out;
}

uint32_t aligned(uint32_t bytes) {
  return (bytes + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
}

}  // namespace

void Segment::guard(uint32_t other) {
  if (other == number) return;
  const auto at = std::lower_bound(guards.begin(), guards.end(), other);
  if (at == guards.end() || *at != other) guards.insert(at, other);
}

bool Segment::fits(const IndexEntry& entry) const {
  const uint64_t index_bytes =
      uint64_t{aligned(index.payload_bytes() + IndexBuilder::entry_bytes(entry))};
  return uint64_t{end} + entry.record_bytes + kRecordHeaderBytes + index_bytes + kSealBytes <=
         bytes;
}

bool Segment::has_room_to_seal(uint32_t more) const {
  const uint64_t index_bytes = aligned(index.payload_bytes());
  return uint64_t{end} + more + kRecordHeaderBytes + index_bytes + kSealBytes <= bytes;
}

SealCall::SealCall(const Segment& segment)
    : file(segment.file),
      index(index_record(segment, segment.index.payload())),
      seal(seal_record(segment, static_cast<uint32_t>(index.size()))),
      index_at(segment.end),
      seal_at(segment.bytes - kSealBytes) {}

Result<void> SealCall::operator()() {
  Result<void> done = write_all(file->files(), file->id(), index, index_at);
  if (done) done = write_all(file->files(), file->id(), seal, seal_at);
  if (done) done = file->files().sync_data(file->id());
  return done;
}

std::string segment_name(uint32_t number) {
  return numbered(kSegmentPrefix, number);
}
std::string spare_name(uint32_t number) {
  return numbered(kSparePrefix, number);
}
std::optional<uint32_t> segment_number(std::string_view name) {
  return number_after(kSegmentPrefix, name);
}
std::optional<uint32_t> spare_number(std::string_view name) {
  return number_after(kSparePrefix, name);
}

std::string large_name(MessageKey key) {
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(key.high),
                static_cast<unsigned long long>(key.low));
  return digits;
}

std::string start_record(const Segment& segment) {
  std::string payload;
  put_u32(payload, segment.salt);
  put_u32(payload, kFormatVersion);
  std::string out = whole_record(segment, RecordType::start, 0, payload);
  GODWIT_ASSERT(out.size() == kStartBytes);
  return out;
}

std::string index_record(const Segment& segment, std::string_view index_payload) {
  return whole_record(segment, RecordType::index, segment.end, index_payload);
}

std::string seal_record(const Segment& segment, uint32_t index_bytes) {
  std::string payload;
  put_u32(payload, segment.salt);
  put_u32(payload, segment.end);
  put_u32(payload, index_bytes);
  put_u32(payload, 0);
  std::string out = whole_record(segment, RecordType::seal, segment.bytes - kSealBytes, payload);
  GODWIT_ASSERT(out.size() == kSealBytes);
  return out;
}

}  // namespace godwit::spool
