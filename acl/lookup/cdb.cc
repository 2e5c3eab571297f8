#include "acl/lookup/cdb.h"

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "acl/lookup/parts.h"

#include <algorithm>
#include <cstring>

namespace godwit::acl {
namespace {

constexpr size_t kPairBytes = 8;  // two numbers of 32 bits
constexpr uint32_t kTables = 256;
constexpr uint32_t kProbesMax = 4096;  // tables are half empty: more is no table
constexpr uint32_t kSlotsAtOnce = 8;

uint32_t number_at(const char* bytes) noexcept {
  std::array<uint8_t, 4> b;
  std::memcpy(b.data(), bytes, b.size());
  return b[0] | uint32_t{b[1]} << 8 | uint32_t{b[2]} << 16 | uint32_t{b[3]} << 24;
}

uint32_t hash_of(std::string_view key) noexcept {
  uint32_t hash = 5381;
  for (const char c : key) hash = ((hash << 5) + hash) ^ static_cast<uint8_t>(c);
  return hash;
}

}  // namespace

DatabaseStatus Cdb::read(uint64_t offset, std::span<char> into, bool may_wait,
                         std::string& problem) const {
  switch (file_->read(offset, into, may_wait)) {
    case ReadStatus::complete:
      return DatabaseStatus::found;
    case ReadStatus::would_wait:
      return DatabaseStatus::would_wait;
    case ReadStatus::ends:
      problem = "the file is damaged or cut off";
      return DatabaseStatus::failed;
    case ReadStatus::failed:
      problem = "the file cannot be read";
      return DatabaseStatus::failed;
  }
  return DatabaseStatus::failed;
}

DatabaseStatus Cdb::get(std::string_view key, bool may_wait, std::string& value,
                        std::string& problem) const {
  const uint32_t hash = hash_of(key);
  std::array<char, kPairBytes> pointer;
  DatabaseStatus status = read(uint64_t{hash % kTables} * kPairBytes, pointer, may_wait, problem);
  if (status != DatabaseStatus::found) return status;
  const uint64_t table = number_at(pointer.data());
  const uint32_t slots = number_at(pointer.data() + 4);
  if (slots == 0) return DatabaseStatus::missing;
  std::array<char, kSlotsAtOnce * kPairBytes> buffer;
  uint32_t slot = (hash >> 8) % slots;
  for (uint32_t tried = 0; tried < std::min(slots, kProbesMax);) {
    const uint32_t count = std::min({kSlotsAtOnce, slots - slot, slots - tried});
    status = read(table + uint64_t{slot} * kPairBytes, std::span(buffer).first(count * kPairBytes),
                  may_wait, problem);
    if (status != DatabaseStatus::found) return status;
    for (uint32_t i = 0; i < count; ++i) {
      const char* const pair = buffer.data() + i * kPairBytes;
      const uint32_t record = number_at(pair + 4);
      if (record == 0) return DatabaseStatus::missing;
      if (number_at(pair) != hash) continue;
      status = get_record(record, key, may_wait, value, problem);
      if (status != DatabaseStatus::missing) return status;
    }
    tried += count;
    slot = (slot + count) % slots;
  }
  if (slots <= kProbesMax) return DatabaseStatus::missing;
  problem = "the file is damaged";
  return DatabaseStatus::failed;
}

DatabaseStatus Cdb::get_record(uint64_t offset, std::string_view key, bool may_wait,
                               std::string& value, std::string& problem) const {
  std::array<char, kPairBytes> lengths;
  DatabaseStatus status = read(offset, lengths, may_wait, problem);
  if (status != DatabaseStatus::found) return status;
  if (number_at(lengths.data()) != key.size()) return DatabaseStatus::missing;
  std::string record_key(key.size(), '\0');
  status = read(offset + kPairBytes, record_key, may_wait, problem);
  if (status != DatabaseStatus::found) return status;
  if (record_key != key) return DatabaseStatus::missing;
  const uint32_t bytes = number_at(lengths.data() + 4);
  if (bytes > kAnswerBytesMax) {
    problem = "the value is too long";
    return DatabaseStatus::failed;
  }
  value.resize(bytes);
  return read(offset + kPairBytes + key.size(), value, may_wait, problem);
}

Result<LookupFound> find_cdb(LookupParts& parts, const LookupCall& call) {
  int errno_value = 0;
  const std::shared_ptr<Cdb> cdb = parts.cdbs.get(call.file, errno_value);
  if (cdb == nullptr) return open_failure(std::string(call.file), "cdb lookup", errno_value);
  return ask_database(parts, call, cdb, "cdb lookup of ");
}

}  // namespace godwit::acl
