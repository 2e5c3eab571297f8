// StoreCore: what the parts of a Store share: the segments, the table of live messages, the queue
// of records and the one batch in flight. Store is its face; MessageWriter, Cleaner and the
// adoption work through it. Everything on the loop's thread.
//
// The life of a record: enqueue() -> pump() places it into the tail segment -> BatchJob writes and
// syncs -> settle() makes its effect visible and wakes who waits.
#pragma once

#include "core/base/random.h"
#include "core/io/files.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "core/io/task.h"
#include "core/spool/cleaner.h"
#include "core/spool/live_table.h"
#include "core/spool/message.h"
#include "core/spool/pending_record.h"
#include "core/spool/segment.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::spool {

class ShardImage;
struct ReplayEvent;

// Keeps a segment's file from being reused while it is read.
class SegmentPin {
 public:
  SegmentPin(class StoreCore& core, Segment& segment) : core_(&core), segment_(&segment) {
    ++segment.pins;
  }
  SegmentPin(const SegmentPin&) = delete;
  SegmentPin& operator=(const SegmentPin&) = delete;
  ~SegmentPin();
  const Segment& operator*() const { return *segment_; }
  const Segment* operator->() const { return segment_; }

 private:
  StoreCore* core_;
  Segment* segment_;
};

class StoreCore {
 public:
  StoreCore(Loop& loop, Files& files, std::string dir, StoreOptions options);
  ~StoreCore();

  // Opening (open.cc).
  Task<Result<void>> open(RecoverySink& sink);
  Task<Result<void>> adopt(std::string dir, RecoverySink& sink);
  Task<void> close();

  // Recording.
  RecordPtr enqueue(RecordPtr record);
  // co_await settled(record): until it is durable, stale or failed.
  auto settled(const RecordPtr& record) noexcept;
  Task<Result<void>> flush();
  void end(uint32_t slot);

  // Files to remove when the log on disk no longer names them.
  void remove_after_sync(std::string path);
  void remove_soon(std::string path);

  // Space (segment_space.cc).
  Task<Result<void>> release(Segment& segment);

  Loop& loop() { return loop_; }
  Files& files() { return files_; }
  const std::string& dir() const { return dir_; }
  std::string path_of(std::string_view name) const { return dir_ + "/" + std::string(name); }
  std::string large_path(MessageKey key) const {
    return path_of(kLargeFolder) + "/" + large_name(key);
  }
  const StoreOptions& options() const { return options_; }
  SegmentMap& segments() { return segments_; }
  LiveTable& live() { return live_; }
  Segment* find_segment(uint32_t number);
  // Whether moving messages may use space: not while there is none behind the tail.
  bool has_room_to_move() const { return !failing_ && prepared_.has_value(); }
  uint32_t tail_number() const { return tail_ != nullptr ? tail_->number : last_number_; }
  bool is_closing() const { return closing_; }
  bool is_failing() const { return failing_; }
  bool is_valid(MessageRef ref) const;
  StoreStats stats() const;
  StoreStats& counters() { return counters_; }
  Cleaner& cleaner() { return cleaner_; }
  Scope& background() { return background_; }

 private:
  friend class FlushAwaiter;
  struct Adoption;
  enum class Placement : uint8_t { placed, stale, no_room, refused };

  static void on_turn_end(void* self) noexcept { static_cast<StoreCore*>(self)->pump(); }
  static void on_timer(void* self) noexcept { static_cast<StoreCore*>(self)->pump(); }
  static void on_batch(void* self) noexcept { static_cast<StoreCore*>(self)->batch_done(); }

  // The queue (store_core.cc).
  void make_due(Millis write_delay, Millis sync_delay);
  void wait_until(Instant at);
  void pump();
  bool fill_batch();
  bool collect_batch();
  void pad_batch();
  void take_front(Placement placement);
  Placement place(PendingRecord& record);
  bool still_holds(const PendingRecord& record) const;
  bool keeps_reserve(const PendingRecord& record) const;
  bool make_payload(PendingRecord& record);
  IndexEntry index_entry(const PendingRecord& record) const;
  std::optional<std::string> survivors_payload(uint32_t segment);
  void batch_done();
  void settle_all();
  void settle(const RecordPtr& record);
  void settle_message(PendingRecord& record);
  void settle_end(PendingRecord& record);
  void give_up_tail(const Error& error);
  void fail_waiting(const Error& error, uint64_t sequence);
  void conclude(const RecordPtr& record, RecordState state);
  void conclude_flushes(const std::optional<Error>& error, uint64_t sequence = UINT64_MAX);
  void wake();

  // Segments (segment_space.cc).
  bool roll();
  void close_tail();
  void start_prepare();
  Task<void> prepare(uint32_t number);
  Task<Result<SegmentFile>> make_segment_file(uint32_t number, uint64_t bytes);
  Task<Result<SegmentFile>> create_segment_file(std::string path, uint64_t bytes);
  Task<void> seal(uint32_t number);
  void start_removals();
  Task<void> run_removals();

  // Opening and adopting (open.cc, adoption.cc).
  Task<Result<void>> seal_closed();
  Task<Result<void>> tell_all(ShardImage& image, RecoverySink& sink);
  Task<Result<void>> tidy(const ShardImage& image);
  Task<Result<void>> check_large_bodies(RecoverySink& sink);
  // `tell_present`: also messages that an earlier try has copied were not told yet.
  Task<Result<void>> finish_adoptions(RecoverySink& sink, bool tell_present);
  Task<Result<void>> finish_adoption(std::string name, Adoption& adoption);
  Task<Result<void>> copy_messages(ShardImage& image, const std::vector<ReplayEvent>& events);
  Task<Result<RecordPtr>> copy_message(ShardImage& image, uint32_t slot, std::string updates);

  Loop& loop_;
  Files& files_;
  std::string dir_;
  StoreOptions options_;
  Random random_;
  File lock_;

  SegmentMap segments_;
  LiveTable live_;
  Segment* tail_ = nullptr;
  std::optional<Segment> prepared_;
  std::vector<uint32_t> spares_;
  uint32_t last_number_ = 0;
  bool preparing_ = false;
  bool waits_for_segment_ = false;  // the front of the queue does
  bool had_first_segment_ = false;
  std::optional<Error> prepare_error_;  // why no further segment could be had, until one is

  std::deque<RecordPtr> queue_;
  std::vector<RecordPtr> unsynced_;  // written, in order
  BatchJob batch_;
  bool batch_in_flight_ = false;
  uint64_t next_sequence_ = 1;
  Instant write_due_ = Instant::never();
  Instant sync_due_ = Instant::never();
  Instant retry_at_ = Instant{0};
  bool failing_ = false;
  bool writes_directly_ = true;  // until the file system refuses
  bool is_new_demand_ = false;   // a commit or a flush since the last failure
  std::vector<class FlushAwaiter*> flushes_;
  std::vector<class FlushAwaiter*> flushes_to_wake_;
  std::vector<RecordPtr> to_wake_;
  TurnEnd turn_end_;
  TimerNode timer_;

  std::vector<std::string> removals_after_sync_;
  std::vector<std::string> removals_;
  bool removing_ = false;
  std::vector<std::string> unfinished_adoptions_;  // folders in this shard
  bool adopting_ = false;

  Cleaner cleaner_;
  Scope background_;
  bool closing_ = false;
  bool closed_ = false;
  std::coroutine_handle<> idle_waiter_;
  StoreStats counters_;
};

// Awaits a record; takes its waiter back when the awaiting task is destroyed first.
class [[nodiscard]] SettledAwaiter {
 public:
  explicit SettledAwaiter(RecordPtr record) : record_(std::move(record)) {}
  SettledAwaiter(const SettledAwaiter&) = delete;
  SettledAwaiter& operator=(const SettledAwaiter&) = delete;
  ~SettledAwaiter() {
    if (record_->waiter) {
      record_->waiter = {};
      record_->is_abandoned = true;
    }
  }
  bool await_ready() const noexcept {
    return record_->state != RecordState::queued && record_->state != RecordState::placed;
  }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { record_->waiter = waiter; }
  void await_resume() const noexcept {}

 private:
  RecordPtr record_;
};

inline auto StoreCore::settled(const RecordPtr& record) noexcept {
  return SettledAwaiter(record);
}

}  // namespace godwit::spool
