#include "core/spool/record.h"

#include "core/spool/crc32c.h"

#include <bit>
#include <cstring>

namespace godwit::spool {
namespace {

static_assert(std::endian::native == std::endian::little,
              "fields are stored as they are in memory");

template <class T>
void store(char* out, size_t at, T value) {
  std::memcpy(out + at, &value, sizeof value);
}
template <class T>
T load(const char* bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes + at, sizeof value);
  return value;
}

}  // namespace

void put_u32(std::string& out, uint32_t value) {
  char bytes[sizeof value];
  store(bytes, 0, value);
  out.append(bytes, sizeof bytes);
}
void put_u64(std::string& out, uint64_t value) {
  char bytes[sizeof value];
  store(bytes, 0, value);
  out.append(bytes, sizeof bytes);
}
uint32_t get_u32(std::string_view bytes, size_t at) {
  GODWIT_ASSERT(at + sizeof(uint32_t) <= bytes.size());
  return load<uint32_t>(bytes.data(), at);
}
uint64_t get_u64(std::string_view bytes, size_t at) {
  GODWIT_ASSERT(at + sizeof(uint64_t) <= bytes.size());
  return load<uint64_t>(bytes.data(), at);
}

uint32_t salt_for(RecordType type, uint32_t salt) {
  return type == RecordType::start || type == RecordType::seal ? 0 : salt;
}

void encode_header(const RecordHeader& header, uint32_t salt, char* out) {
  store(out, 4, header.payload_crc);
  store(out, 8, header.segment);
  store(out, 12, static_cast<uint8_t>(header.type));
  store(out, 13, header.flags);
  store(out, 14, kFormatVersion);
  store(out, 16, header.payload_bytes);
  store(out, 20, header.offset);
  store(out, 24, header.synced_to);
  store(out, 28, uint32_t{0});
  store(out, 32, header.key.high);
  store(out, 40, header.key.low);
  const std::string_view covered(out + 4, kRecordHeaderBytes - 4);
  store(out, 0, crc32c(salt_for(header.type, salt), covered));
}

std::optional<RecordHeader> decode_header(std::string_view bytes, uint32_t segment, uint32_t offset,
                                          uint32_t salt) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const char* in = bytes.data();
  if (load<uint32_t>(in, 8) != segment || load<uint32_t>(in, 20) != offset) return std::nullopt;
  const auto type = load<uint8_t>(in, 12);
  if (type < static_cast<uint8_t>(RecordType::start) ||
      type > static_cast<uint8_t>(RecordType::padding)) {
    return std::nullopt;
  }
  RecordHeader header;
  header.type = static_cast<RecordType>(type);
  const std::string_view covered = bytes.substr(4, kRecordHeaderBytes - 4);
  if (load<uint32_t>(in, 0) != crc32c(salt_for(header.type, salt), covered)) return std::nullopt;
  if (load<uint16_t>(in, 14) != kFormatVersion) return std::nullopt;
  header.flags = load<uint8_t>(in, 13);
  header.payload_crc = load<uint32_t>(in, 4);
  header.segment = segment;
  header.payload_bytes = load<uint32_t>(in, 16);
  header.offset = offset;
  header.synced_to = load<uint32_t>(in, 24);
  header.key.high = load<uint64_t>(in, 32);
  header.key.low = load<uint64_t>(in, 40);
  if (header.payload_bytes > kSegmentBytesMax) return std::nullopt;
  return header;
}

uint32_t padding_bytes(uint32_t offset) {
  const uint32_t left = (kBlockBytes - offset % kBlockBytes) % kBlockBytes;
  return left > 0 && left < kRecordHeaderBytes ? left + kBlockBytes : left;
}

bool payload_matches(const RecordHeader& header, std::string_view payload, uint32_t salt) {
  return crc32c(salt_for(header.type, salt), payload) == header.payload_crc;
}

std::optional<uint32_t> MessageFixed::payload_bytes(uint8_t flags) const {
  uint64_t sum = kMessageFixedBytes;
  sum += envelope_bytes;
  sum += header_bytes;
  sum += updates_bytes;
  if ((flags & kFlagLargeBody) == 0) {
    if (body_bytes > kSegmentBytesMax) return std::nullopt;
    sum += body_bytes;
  }
  if (sum > kSegmentBytesMax) return std::nullopt;
  return static_cast<uint32_t>(sum);
}

void encode_message_fixed(const MessageFixed& fixed, char* out) {
  store(out, 0, fixed.envelope_bytes);
  store(out, 4, fixed.header_bytes);
  store(out, 8, fixed.body_bytes);
  store(out, 16, fixed.received.micros);
  store(out, 24, fixed.envelope_crc);
  store(out, 28, fixed.header_crc);
  store(out, 32, fixed.body_crc);
  store(out, 36, fixed.updates_bytes);
  store(out, 40, fixed.updates_crc);
  store(out, 44, uint32_t{0});
}

std::optional<MessageFixed> decode_message_fixed(std::string_view payload) {
  if (payload.size() < kMessageFixedBytes) return std::nullopt;
  const char* in = payload.data();
  MessageFixed fixed;
  fixed.envelope_bytes = load<uint32_t>(in, 0);
  fixed.header_bytes = load<uint32_t>(in, 4);
  fixed.body_bytes = load<uint64_t>(in, 8);
  fixed.received.micros = load<int64_t>(in, 16);
  fixed.envelope_crc = load<uint32_t>(in, 24);
  fixed.header_crc = load<uint32_t>(in, 28);
  fixed.body_crc = load<uint32_t>(in, 32);
  fixed.updates_bytes = load<uint32_t>(in, 36);
  fixed.updates_crc = load<uint32_t>(in, 40);
  return fixed;
}

std::string encode_update(Position previous, std::string_view items) {
  std::string out;
  out.reserve(kUpdateFixedBytes + items.size());
  put_u32(out, previous.segment);
  put_u32(out, previous.offset);
  out += items;
  return out;
}

std::optional<Position> decode_update_previous(std::string_view payload) {
  if (payload.size() < kUpdateFixedBytes) return std::nullopt;
  return Position{get_u32(payload, 0), get_u32(payload, 4)};
}

void append_item(std::string& items, std::string_view payload) {
  put_u32(items, static_cast<uint32_t>(payload.size()));
  items += payload;
}

std::optional<std::string_view> next_item(std::string_view items, size_t& at) {
  if (items.size() - at < sizeof(uint32_t)) return std::nullopt;
  const uint32_t bytes = get_u32(items, at);
  if (items.size() - at - sizeof(uint32_t) < bytes) return std::nullopt;
  const std::string_view item = items.substr(at + sizeof(uint32_t), bytes);
  at += sizeof(uint32_t) + bytes;
  return item;
}

std::string encode_survivors(const Survivors& survivors) {
  std::string out;
  out.reserve(12 + 4 * survivors.offsets.size());
  put_u32(out, survivors.segment);
  put_u32(out, survivors.cut);
  put_u32(out, static_cast<uint32_t>(survivors.offsets.size()));
  for (const uint32_t offset : survivors.offsets) put_u32(out, offset);
  return out;
}

std::optional<Survivors> decode_survivors(std::string_view payload) {
  if (payload.size() < 12) return std::nullopt;
  Survivors survivors;
  survivors.segment = get_u32(payload, 0);
  survivors.cut = get_u32(payload, 4);
  const uint32_t count = get_u32(payload, 8);
  if ((payload.size() - 12) / 4 < count) return std::nullopt;
  survivors.offsets.reserve(count);
  for (uint32_t i = 0; i < count; ++i) survivors.offsets.push_back(get_u32(payload, 12 + 4 * i));
  return survivors;
}

}  // namespace godwit::spool
