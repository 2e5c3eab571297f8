// The records of the log as bytes: a header of 48 bytes, a payload, zeros up to a multiple of 8.
// Pure functions; what comes from a file may be anything. The layout is in docs/spool.md.
#pragma once

#include "core/base/assert.h"
#include "core/base/time.h"
#include "core/spool/message.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::spool {

inline constexpr uint16_t kFormatVersion = 1;
inline constexpr uint32_t kRecordHeaderBytes = 48;
inline constexpr uint32_t kMessageFixedBytes = 48;
inline constexpr uint32_t kUpdateFixedBytes = 8;
inline constexpr uint32_t kRecordAlignment = 8;

enum class RecordType : uint8_t {
  start = 1,      // the first of a segment: its salt and the format's version
  message = 2,    // envelope, header section, carried updates, body or the mark of a large file
  update = 3,     // progress of a message
  end = 4,        // a message is done
  survivors = 5,  // of one other segment: its messages that live, where its valid part ends
  index = 6,      // of this segment: all records above
  seal = 7,       // the last bytes of a sealed segment: where its index is
  padding = 8,    // zeros up to the next block: direct writes are of whole blocks
};

enum RecordFlag : uint8_t {
  kFlagLargeBody = 1,  // the body is in large/<key>
  kFlagReplace = 2,    // an update that ends the validity of the earlier ones
};

inline constexpr uint32_t kBlockBytes = 4096;
// The bytes of a padding record that begins at `offset`: 0 where a block begins there, otherwise
// one that ends with a block and has room for its header.
uint32_t padding_bytes(uint32_t offset);

// A place in the log. Segments are numbered in the order in which they are written.
struct Position {
  uint32_t segment = 0;
  uint32_t offset = 0;
  constexpr auto operator<=>(const Position&) const = default;
  constexpr bool is_set() const { return segment != 0; }
};

struct RecordHeader {
  RecordType type = RecordType::start;
  uint8_t flags = 0;
  uint32_t segment = 0;
  uint32_t offset = 0;
  uint32_t payload_bytes = 0;
  // Everything of the segment below this was on disk before this record was written. So a bad
  // record below the synced_to of a good one is damage, not the torn end of the log.
  uint32_t synced_to = 0;
  uint32_t payload_crc = 0;
  MessageKey key;

  uint32_t record_bytes() const {
    return (kRecordHeaderBytes + payload_bytes + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
  }
};

// The first bytes of a message's payload. The payload's checksum covers these alone; the parts
// have their own, so that one can be read and proved without the others.
struct MessageFixed {
  uint32_t envelope_bytes = 0;
  uint32_t header_bytes = 0;
  uint64_t body_bytes = 0;
  WallTime received;
  uint32_t envelope_crc = 0;
  uint32_t header_crc = 0;
  uint32_t body_crc = 0;
  uint32_t updates_bytes = 0;  // carried along when the message moved: a list of items
  uint32_t updates_crc = 0;

  // Of a record with these parts; nothing where they cannot be one record.
  std::optional<uint32_t> payload_bytes(uint8_t flags) const;
};

struct Survivors {
  uint32_t segment = 0;
  uint32_t cut = UINT32_MAX;  // records of that segment from here on never happened
  std::vector<uint32_t> offsets;
};

// Fixed-width little-endian fields.
void put_u32(std::string& out, uint32_t value);
void put_u64(std::string& out, uint64_t value);
uint32_t get_u32(std::string_view bytes, size_t at);
uint64_t get_u64(std::string_view bytes, size_t at);

// Checksums are seeded with the segment's secret salt, so that no mail can contain a record that
// looks valid. The start and seal records, which tell the salt, use none.
uint32_t salt_for(RecordType type, uint32_t salt);

// Writes the header's 48 bytes over `out`.
void encode_header(const RecordHeader& header, uint32_t salt, char* out);
// Nothing where `bytes` is not a valid header at that place.
std::optional<RecordHeader> decode_header(std::string_view bytes, uint32_t segment, uint32_t offset,
                                          uint32_t salt);
// Whether `payload` (for a message: its fixed part) has the header's checksum.
bool payload_matches(const RecordHeader& header, std::string_view payload, uint32_t salt);

void encode_message_fixed(const MessageFixed& fixed, char* out);
std::optional<MessageFixed> decode_message_fixed(std::string_view payload);

// An update's payload: where the previous one is, then items; a message carries items alone.
std::string encode_update(Position previous, std::string_view items);
std::optional<Position> decode_update_previous(std::string_view payload);
void append_item(std::string& items, std::string_view payload);
// The item at `at`, which moves behind it; nothing at the end or where the list is broken.
std::optional<std::string_view> next_item(std::string_view items, size_t& at);

std::string encode_survivors(const Survivors& survivors);
std::optional<Survivors> decode_survivors(std::string_view payload);

}  // namespace godwit::spool
