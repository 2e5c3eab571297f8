// PendingRecord: something to be written, from the call that asked for it until it is on disk; and
// BatchJob, which writes many of them with one sync.
#pragma once

#include "core/io/loop.h"
#include "core/spool/live_table.h"
#include "core/spool/message.h"
#include "core/spool/record.h"
#include "core/spool/segment.h"

#include <sys/uio.h>

#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::spool {

enum class RecordState : uint8_t {
  queued,
  placed,   // in a batch, or written and not synced
  durable,  // on disk; its effects are visible
  stale,    // what it was made from changed before it was placed; never written
  failed,   // not on disk; `error` says why
};

struct PendingRecord {
  RecordType type = RecordType::message;
  uint8_t flags = 0;
  MessageKey key;
  uint32_t slot = LiveTable::kNone;  // of the message; of a new one, once it is durable

  // A message: its parts. `updates` are what it carries.
  std::shared_ptr<const MessageBytes> bytes;
  MessageFixed fixed;
  std::string updates;  // items

  // Made from what is stored (a move, a gathered chain): placed only if this still holds.
  bool is_derived = false;
  Position expected_at;
  Position expected_update;

  uint32_t survivors_of = 0;

  // Fails with its batch. The others (updates, ends, survivors) are tried again.
  bool is_transient = false;
  // Its task went away while it was on its way: a message that nobody knows ends at once.
  bool is_abandoned = false;

  RecordState state = RecordState::queued;
  std::optional<Error> error;
  std::coroutine_handle<> waiter;
  uint64_t sequence = 0;

  // Set when placed.
  RecordHeader header;
  std::string head;  // the header's bytes and the payload, or its fixed part
  Position previous_update;
  uint32_t previous_chain_segment = 0;
};

using RecordPtr = std::shared_ptr<PendingRecord>;

// Memory at an address that a direct write accepts.
class AlignedBuffer {
 public:
  // Null where there is no memory. What was in it is lost.
  char* room_for(size_t bytes);

 private:
  struct Free {
    void operator()(char* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
  size_t bytes_ = 0;
};

// Writes records that lie one behind the other in one segment. Checksums are made here, off the
// loop's thread. A batch that is synced, and is made of whole blocks, is copied into one piece and
// written past the system's cache: that takes one call, no page is copied or kept, and nothing
// reads the page again that holds the end of the previous batch.
class BatchJob final : public Job {
 public:
  using Finished = void (*)(void* self) noexcept;
  BatchJob(Loop& loop, Finished finished, void* self)
      : loop_(loop), finished_(finished), self_(self) {}

  void reset(const Segment& segment, bool sync);
  void add(RecordPtr record) { records_.push_back(std::move(record)); }
  // Zeros behind the records, as a record of their own.
  void pad(const RecordHeader& header);
  // Earlier batches wait for this one's sync: they are not written directly.
  void sync_earlier_too() { has_earlier_ = sync_ = true; }
  void submit() { loop_.submit(*this); }

  std::vector<RecordPtr>& records() { return records_; }
  const std::vector<RecordPtr>& records() const { return records_; }
  bool syncs() const { return sync_; }
  const Result<void>& result() const { return result_; }
  uint64_t bytes_written() const { return bytes_written_; }
  bool is_written_directly() const { return is_direct_; }
  // The file system took the file for direct writes, and then no write.
  bool is_direct_refused() const { return is_direct_refused_; }

 private:
  void run() noexcept override;
  void finished() noexcept override { finished_(self_); }
  void complete(PendingRecord& record);
  void gather(const PendingRecord& record);
  void add_part(std::string_view bytes);
  bool may_write_directly() const;
  Result<void> write_directly();
  Result<void> write_cached();

  Loop& loop_;
  Finished finished_;
  void* self_;
  std::vector<RecordPtr> records_;
  std::shared_ptr<File> file_;
  std::shared_ptr<File> direct_;
  uint32_t salt_ = 0;
  uint32_t offset_ = 0;
  bool sync_ = false;
  bool has_earlier_ = false;
  bool is_direct_ = false;
  bool is_direct_refused_ = false;
  RecordHeader padding_header_;
  std::string padding_;  // the whole record; empty where there is none
  AlignedBuffer buffer_;
  std::vector<iovec> parts_;
  uint64_t bytes_written_ = 0;
  Result<void> result_;
};

}  // namespace godwit::spool
