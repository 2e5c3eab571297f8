// Reads what a segment file holds: by its index where it is sealed, by a scan of its records where
// not. Blocking; what the file contains may be anything.
#pragma once

#include "core/base/result.h"
#include "core/io/files.h"
#include "core/spool/segment.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace godwit::spool {

struct LoadedSegment {
  Segment segment;
  std::string index;  // the payload of an index record, found or made
  // What a scan met. A torn end is told apart, for it is normal in the last segment.
  std::vector<std::string> damage;
  std::optional<std::string> torn;
};

// Nothing where the file holds no record of this segment (prepared, never used, or reused since).
Result<std::optional<LoadedSegment>> load_segment(Files& files, const std::string& dir,
                                                  uint32_t number, FileOpen how);

// The proved payload of the record at `offset`, and its header. Errc::disk_error where the bytes
// are not such a record.
struct LoadedRecord {
  RecordHeader header;
  std::string payload;
};
Result<LoadedRecord> load_record(const File& file, uint32_t segment, uint32_t salt,
                                 uint32_t offset);

// A message's fixed part and where its parts are in the file.
struct LoadedMessage {
  RecordHeader header;
  MessageFixed fixed;
  uint64_t envelope_at = 0;
  uint64_t header_at = 0;
  uint64_t updates_at = 0;
  uint64_t body_at = 0;
};
Result<LoadedMessage> load_message(const File& file, uint32_t segment, uint32_t salt,
                                   uint32_t offset);
// `bytes` of the file at `at`, proved by `crc`.
Result<std::string> load_part(const File& file, uint64_t at, uint64_t bytes, uint32_t crc);

// All parts of a message but a large body.
struct LoadedWhole {
  LoadedMessage message;
  std::shared_ptr<MessageBytes> bytes;
  std::string updates;  // items that it carries
};
Result<LoadedWhole> load_whole(const File& file, uint32_t segment, uint32_t salt, uint32_t offset);

// Reads from a message's body, which is in its record or in a file of its own. Blocking.
struct ReadBodyCall {
  Result<size_t> operator()();

  std::shared_ptr<File> file;
  uint32_t segment = 0;
  uint32_t salt = 0;
  uint32_t at = 0;
  std::string large_path;
  uint64_t offset = 0;
  std::span<char> into;
};

// The index without the records from `cut` on.
IndexBuilder index_below(std::string_view index_payload, uint32_t cut);

}  // namespace godwit::spool
