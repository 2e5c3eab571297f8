// The values that pass between the store and its users: keys, references, what a commit returns,
// what a recovery tells.
#pragma once

#include "core/base/block_pool.h"
#include "core/base/time.h"
#include "core/spool/limits.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::spool {

// The identity of a message; unique for ever. Made from the message id elsewhere.
struct MessageKey {
  uint64_t high = 0;
  uint64_t low = 0;
  constexpr auto operator<=>(const MessageKey&) const = default;
};

// Names a message that lives in one Store (or ShardReader). Valid until end() is called on it.
class MessageRef {
 public:
  MessageRef() = default;
  MessageRef(uint64_t key_low, uint32_t slot) : key_low_(key_low), slot_(slot) {}

  bool is_set() const noexcept { return slot_ != kNoSlot; }
  uint32_t slot() const noexcept { return slot_; }
  uint64_t key_low() const noexcept { return key_low_; }
  bool operator==(const MessageRef&) const = default;

  static constexpr uint32_t kNoSlot = UINT32_MAX;

 private:
  uint64_t key_low_ = 0;
  uint32_t slot_ = kNoSlot;
};
static_assert(sizeof(MessageRef) <= 24);

// The bytes of a message in memory, immutable once committed. The body comes in the pieces in
// which the writer kept it.
struct MessageBytes {
  struct Chunk {
    PooledBytes bytes;
    size_t size = 0;
    std::string_view view() const { return {bytes.data(), size}; }
  };
  std::string envelope;
  std::string header_section;
  std::vector<Chunk> body;
  uint64_t body_bytes = 0;
};

struct StoredMessage {
  MessageRef ref;
  MessageKey key;
  uint64_t envelope_bytes = 0;
  uint64_t header_bytes = 0;
  uint64_t body_bytes = 0;
  WallTime received;
  // What the writer held, so that a first delivery reads nothing; null where the body is in a file
  // of its own. Drop it when it is of no more use.
  std::shared_ptr<const MessageBytes> bytes;
};

enum class UpdateKind : uint8_t {
  append,   // one more
  replace,  // earlier updates of the message no longer count
};

// Told by a recovery, on the thread that awaits it: the messages that live, in log order, each
// before its updates, and those in the order in which they were made. Ended messages do not show.
class RecoverySink {
 public:
  virtual ~RecoverySink() = default;
  virtual void on_message(MessageRef ref, MessageKey key, uint64_t envelope_bytes,
                          uint64_t header_bytes, uint64_t body_bytes, WallTime received) = 0;
  // `payload` is valid during the call.
  virtual void on_update(MessageRef ref, MessageKey key, std::string_view payload) = 0;
  // Something on disk is not as it should be; one text names one place. A torn tail after a crash
  // is normal and told too.
  virtual void on_damage(std::string_view text) = 0;
};

struct StoreOptions {
  uint64_t segment_bytes = kSegmentBytes;
  uint64_t first_segment_bytes = kFirstSegmentBytes;
  size_t large_body_bytes = kLargeBodyBytes;
  size_t spare_segments = kSpareSegments;
  unsigned compact_live_percent = kCompactLivePercent;
  uint32_t compact_age_segments = kCompactAgeSegments;
  // A commit waits that long for others to join its batch. 0: the batches that form while one is
  // in flight are enough.
  Millis commit_wait{0};
  Millis lazy_write = kLazyWrite;
  Millis lazy_sync = kLazySync;
};

struct StoreStats {
  uint64_t live_messages = 0;
  uint64_t live_bytes = 0;      // of their records; large bodies not counted
  uint64_t memory_bytes = 0;    // what the store keeps for the live messages
  uint64_t reserved_bytes = 0;  // of the disk, ready for records to come
  uint64_t segments = 0;
  uint64_t spare_segments = 0;
  uint64_t queued_records = 0;    // not written yet
  uint64_t unsynced_records = 0;  // written, not yet synced
  uint64_t commits = 0;
  uint64_t failed_commits = 0;
  uint64_t batches = 0;
  uint64_t direct_batches = 0;  // of them, written past the system's cache
  uint64_t syncs = 0;
  uint64_t failed_batches = 0;
  uint64_t bytes_written = 0;
  uint64_t moved_messages = 0;
  uint64_t recycled_segments = 0;
  uint64_t removed_segments = 0;
  bool is_cleaning = false;  // segments are being emptied
  // The last batch failed and none has worked since: progress of deliveries cannot be recorded, so
  // whoever delivers should pause.
  bool is_failing = false;
};

}  // namespace godwit::spool
