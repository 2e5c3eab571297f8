// Segment: one file of the log, as the store keeps it in memory; and the names of a shard's files.
#pragma once

#include "core/io/files.h"
#include "core/spool/index_block.h"
#include "core/spool/record.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::spool {

enum class SegmentState : uint8_t {
  tail,    // records are appended
  closed,  // full or given up; its index is in memory
  sealed,  // its index is on disk
};

struct Segment {
  uint32_t number = 0;
  uint32_t salt = 0;
  uint32_t bytes = 0;         // of the file
  uint32_t end = 0;           // behind the last record
  uint32_t synced_to = 0;     // below this everything is on disk
  uint32_t cut = UINT32_MAX;  // where a batch failed: nothing from here on counts
  SegmentState state = SegmentState::tail;
  std::shared_ptr<File> file;
  std::shared_ptr<File> direct;  // the tail's, for writes past the system's cache; null where none
  IndexBuilder index;            // empty once sealed
  uint32_t updates = 0;          // records of updates
  // Segments with records that only this one's ends, survivors and moves keep dead. This one may
  // go when they went or were told about again further on. Sorted, unique.
  std::vector<uint32_t> guards;
  uint32_t survivors_in = 0;  // the newest segment that tells what lives in this one
  uint32_t first_live = UINT32_MAX;
  uint32_t live_messages = 0;
  uint64_t live_bytes = 0;
  uint32_t pins = 0;  // reads in flight; the file is not reused meanwhile
  bool is_being_sealed = false;

  void guard(uint32_t other);
  // Whether a record with this index entry fits, with room left for the index and the seal.
  bool fits(const IndexEntry& entry) const;
  // Whether index and seal fit behind `more` bytes.
  bool has_room_to_seal(uint32_t more = 0) const;
};

// The file of a segment that takes records. `direct` is not open where the file system knows no
// direct writes.
struct SegmentFile {
  File file;
  File direct;
};

using SegmentMap = std::map<uint32_t, Segment>;

inline constexpr uint32_t kSealBytes = 64;  // at the very end of the file
inline constexpr uint32_t kStartBytes = 56;

// "seg-0000002a" and back; "spare-0000002a" are emptied files that wait for reuse.
std::string segment_name(uint32_t number);
std::string spare_name(uint32_t number);
std::optional<uint32_t> segment_number(std::string_view name);
std::optional<uint32_t> spare_number(std::string_view name);
// The name of a large body, in the folder kLargeFolder.
std::string large_name(MessageKey key);
inline constexpr std::string_view kLargeFolder = "large";
inline constexpr std::string_view kLockName = "lock";
inline constexpr std::string_view kAdoptedPrefix = "adopted-";  // a shard that is being taken over
inline constexpr std::string_view kTrashPrefix = "trash-";      // one that was

// Writes index and seal of a segment that takes no more records, and syncs. Blocking.
struct SealCall {
  explicit SealCall(const Segment& segment);
  Result<void> operator()();

  std::shared_ptr<File> file;
  std::string index;
  std::string seal;
  uint32_t index_at;
  uint32_t seal_at;
};

// The whole start record of a segment.
std::string start_record(const Segment& segment);
// The index record and the seal record of a segment whose records end at `end`.
std::string index_record(const Segment& segment, std::string_view index_payload);
std::string seal_record(const Segment& segment, uint32_t index_bytes);

}  // namespace godwit::spool
