#include "core/spool/store_core.h"

#include "core/spool/segment_loader.h"

#include <algorithm>
#include <utility>

namespace godwit::spool {
namespace {

Error as_disk_error(const Error& error) {
  if (error.code() == Errc::disk_full) return error;
  return Error(Errc::disk_error, error.to_string());
}

}  // namespace

class FlushAwaiter {
 public:
  explicit FlushAwaiter(StoreCore& core) : core_(core), target_(core.next_sequence_ - 1) {}
  FlushAwaiter(const FlushAwaiter&) = delete;
  FlushAwaiter& operator=(const FlushAwaiter&) = delete;
  ~FlushAwaiter() {
    std::erase(core_.flushes_, this);
    std::erase(core_.flushes_to_wake_, this);
  }
  bool await_ready() const noexcept {
    return core_.queue_.empty() && core_.unsynced_.empty() && !core_.batch_in_flight_;
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    core_.flushes_.push_back(this);
    core_.is_new_demand_ = true;
    core_.make_due(Millis{0}, Millis{0});
  }
  Result<void> await_resume() { return std::move(result); }

  uint64_t target() const { return target_; }
  void resume() { waiter_.resume(); }

  Result<void> result;

 private:
  StoreCore& core_;
  uint64_t target_;
  std::coroutine_handle<> waiter_;
};

SegmentPin::~SegmentPin() {
  if (--segment_->pins == 0 && segment_->live_messages == 0) core_->cleaner().kick_if_idle();
}

StoreCore::StoreCore(Loop& loop, Files& files, std::string dir, StoreOptions options)
    : loop_(loop),
      files_(files),
      dir_(std::move(dir)),
      options_(options),
      random_(Random::from_system()),
      batch_(loop, &StoreCore::on_batch, this),
      turn_end_(&StoreCore::on_turn_end, this),
      timer_(&StoreCore::on_timer, this),
      cleaner_(*this) {
  options_.segment_bytes = std::clamp(options_.segment_bytes, kSegmentBytesMin, kSegmentBytesMax);
  options_.first_segment_bytes =
      std::clamp(options_.first_segment_bytes, kSegmentBytesMin, options_.segment_bytes);
}

StoreCore::~StoreCore() {
  GODWIT_ASSERT(!batch_in_flight_);
}

Segment* StoreCore::find_segment(uint32_t number) {
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : &found->second;
}

bool StoreCore::is_valid(MessageRef ref) const {
  if (!live_.is_valid(ref.slot())) return false;
  const LiveMessage& message = live_[ref.slot()];
  return message.key.low == ref.key_low() && !message.is_ended;
}

RecordPtr StoreCore::enqueue(RecordPtr record) {
  GODWIT_ASSERT(!closed_);
  record->sequence = next_sequence_++;
  const bool is_new_message = record->is_transient && !record->is_derived;
  if (record->is_transient) is_new_demand_ = true;
  queue_.push_back(record);
  if (is_new_message) {
    make_due(options_.commit_wait, options_.commit_wait);
  } else {
    make_due(options_.lazy_write, options_.lazy_sync);
  }
  return record;
}

void StoreCore::end(uint32_t slot) {
  LiveMessage& message = live_[slot];
  GODWIT_ASSERT(!message.is_ended);
  message.is_ended = true;
  auto record = std::make_shared<PendingRecord>();
  record->type = RecordType::end;
  record->key = message.key;
  record->slot = slot;
  enqueue(std::move(record));
}

Task<Result<void>> StoreCore::flush() {
  FlushAwaiter awaiter(*this);
  Result<void> result = co_await awaiter;
  co_return result;
}

void StoreCore::make_due(Millis write_delay, Millis sync_delay) {
  const Instant now = loop_.clock().now();
  write_due_ = std::min(write_due_, now + write_delay);
  sync_due_ = std::min(sync_due_, now + sync_delay);
  if (write_delay.count == 0) {
    loop_.at_turn_end(turn_end_);
  } else if (!batch_in_flight_) {
    wait_until(std::min(write_due_, sync_due_));
  }
}

void StoreCore::wait_until(Instant at) {
  loop_.timers().set(timer_, at);
}

void StoreCore::pump() {
  if (closed_ || batch_in_flight_) return wake();
  if (queue_.empty() && unsynced_.empty()) {
    write_due_ = sync_due_ = Instant::never();
    conclude_flushes(std::nullopt);
    return wake();
  }
  Instant due = std::min(write_due_, sync_due_);
  if (failing_ && !is_new_demand_) due = std::max(due, retry_at_);
  if (due > loop_.clock().now()) {
    if (due != Instant::never()) wait_until(due);
    return wake();
  }
  if (fill_batch()) {
    is_new_demand_ = false;
    batch_in_flight_ = true;
    ++counters_.batches;
    batch_.submit();
  } else {
    // What was refused needs no batch, but a flush may have waited for it.
    conclude_flushes(std::nullopt);
  }
  wake();
}

void StoreCore::batch_done() {
  batch_in_flight_ = false;
  if (batch_.result()) {
    counters_.bytes_written += batch_.bytes_written();
    unsynced_.insert(unsynced_.end(), batch_.records().begin(), batch_.records().end());
    counters_.direct_batches += batch_.is_written_directly() ? 1 : 0;
    if (batch_.is_direct_refused()) {
      tail_->direct.reset();
      writes_directly_ = false;
    }
    if (batch_.syncs()) {
      ++counters_.syncs;
      if (std::exchange(failing_, false)) cleaner_.kick();
      tail_->synced_to = tail_->end;
      settle_all();
    }
    conclude_flushes(std::nullopt);
  } else {
    give_up_tail(as_disk_error(batch_.result().error()));
  }
  if (idle_waiter_) std::exchange(idle_waiter_, {}).resume();
  pump();
}

void StoreCore::settle_all() {
  for (const RecordPtr& record : std::exchange(unsynced_, {})) settle(record);
  for (std::string& path : std::exchange(removals_after_sync_, {})) remove_soon(std::move(path));
}

void StoreCore::settle(const RecordPtr& record) {
  Segment& segment = *tail_;
  switch (record->type) {
    case RecordType::message:
      settle_message(*record);
      break;
    case RecordType::end:
      settle_end(*record);
      break;
    case RecordType::survivors:
      segment.guard(record->survivors_of);
      if (Segment* told = find_segment(record->survivors_of)) told->survivors_in = segment.number;
      break;
    case RecordType::update:
    case RecordType::start:
    case RecordType::index:
    case RecordType::seal:
    case RecordType::padding:
      break;
  }
  conclude(record, RecordState::durable);
}

void StoreCore::settle_message(PendingRecord& record) {
  Segment& segment = *tail_;
  const uint32_t offset = record.header.offset;
  const uint32_t bytes = record.header.record_bytes();
  if (record.is_derived) {
    Segment& home = segments_.at(live_[record.slot].at.segment);
    segment.guard(home.number);
    live_.move(record.slot, home, segment, offset, bytes);
    ++counters_.moved_messages;
    return;
  }
  const bool is_large = (record.flags & kFlagLargeBody) != 0;
  record.slot = live_.insert(record.key, segment, offset, bytes, is_large);
  // A message that was adopted brings its updates along.
  if (!record.updates.empty()) {
    live_[record.slot].last_update = {segment.number, offset};
    live_[record.slot].chain_segment = segment.number;
  }
  ++counters_.commits;
  if (record.is_abandoned) end(record.slot);
}

void StoreCore::settle_end(PendingRecord& record) {
  const LiveMessage& message = live_[record.slot];
  Segment& home = segments_.at(message.at.segment);
  tail_->guard(home.number);
  if (message.is_large) remove_soon(large_path(message.key));
  live_.erase(record.slot, home);
  // The last message of all is gone: older segments may go too, whatever they still hold.
  if (live_.size() == 0 && segments_.size() > 1) cleaner_.kick();
  if (home.state == SegmentState::tail) return;
  const bool is_sparse = home.live_bytes * 100 < uint64_t{home.end} * options_.compact_live_percent;
  if (home.live_messages == 0 || is_sparse) cleaner_.kick();
}

// After a failed write or sync nothing behind the last success may be trusted, nor written again:
// the next segment says so, and everything that can be repeated goes there.
void StoreCore::give_up_tail(const Error& error) {
  ++counters_.failed_batches;
  failing_ = true;
  retry_at_ = loop_.clock().now() + kRetryAfterError;
  std::vector<RecordPtr> records = std::exchange(unsynced_, {});
  records.insert(records.end(), batch_.records().begin(), batch_.records().end());
  for (auto at = records.rbegin(); at != records.rend(); ++at) {
    PendingRecord& record = **at;
    const bool is_chained = record.type == RecordType::update ||
                            (record.type == RecordType::message && record.is_derived);
    if (!is_chained) continue;
    live_[record.slot].last_update = record.previous_update;
    live_[record.slot].chain_segment = record.previous_chain_segment;
  }
  tail_->state = SegmentState::closed;
  tail_->direct.reset();
  tail_->cut = tail_->end = tail_->synced_to;
  tail_->index = index_below(tail_->index.payload(), tail_->cut);
  tail_->updates = tail_->index.updates();

  for (auto at = records.rbegin(); at != records.rend(); ++at) {
    if ((*at)->is_transient) continue;
    (*at)->state = RecordState::queued;
    queue_.push_front(*at);
  }
  for (const RecordPtr& record : records) {
    if (!record->is_transient) continue;
    record->error = error;
    if (!record->is_derived) ++counters_.failed_commits;
    conclude(record, RecordState::failed);
  }
  auto survivors = std::make_shared<PendingRecord>();
  survivors->type = RecordType::survivors;
  survivors->survivors_of = tail_->number;
  queue_.push_front(std::move(survivors));
  tail_ = nullptr;
  make_due(options_.lazy_write, options_.lazy_sync);
  conclude_flushes(error);
}

// No segment can be had: who asked before `sequence` is told; whoever asked since has another try;
// what can wait stays.
void StoreCore::fail_waiting(const Error& error, uint64_t sequence) {
  failing_ = true;
  retry_at_ = loop_.clock().now() + kRetryAfterError;
  is_new_demand_ = false;
  std::deque<RecordPtr> kept;
  for (const RecordPtr& record : std::exchange(queue_, {})) {
    if (!record->is_transient || record->sequence >= sequence) {
      if (record->is_transient) is_new_demand_ = true;
      kept.push_back(record);
      continue;
    }
    record->error = error;
    if (!record->is_derived) ++counters_.failed_commits;
    conclude(record, RecordState::failed);
  }
  queue_ = std::move(kept);
  conclude_flushes(error, sequence);
  if (!flushes_.empty()) is_new_demand_ = true;
}

void StoreCore::conclude(const RecordPtr& record, RecordState state) {
  record->state = state;
  if (record->waiter) to_wake_.push_back(record);
}

void StoreCore::conclude_flushes(const std::optional<Error>& error, uint64_t sequence) {
  std::erase_if(flushes_, [&](FlushAwaiter* flush) {
    const bool is_done = unsynced_.empty() && !batch_in_flight_ &&
                         (queue_.empty() || queue_.front()->sequence > flush->target());
    const bool is_failed = error && flush->target() < sequence;
    if (!is_failed && !is_done) return false;
    if (is_failed) flush->result = *error;
    flushes_to_wake_.push_back(flush);
    return true;
  });
}

// Last in every path: whoever is woken may do anything, short of ending the store.
void StoreCore::wake() {
  while (!to_wake_.empty()) {
    for (const RecordPtr& record : std::exchange(to_wake_, {})) {
      if (record->waiter) std::exchange(record->waiter, {}).resume();
    }
  }
  while (!flushes_to_wake_.empty()) {
    FlushAwaiter* flush = flushes_to_wake_.front();
    flushes_to_wake_.erase(flushes_to_wake_.begin());
    flush->resume();
  }
}

StoreStats StoreCore::stats() const {
  StoreStats stats = counters_;
  stats.live_messages = live_.size();
  stats.memory_bytes = live_.memory_bytes();
  for (const auto& [number, segment] : segments_) stats.live_bytes += segment.live_bytes;
  stats.reserved_bytes = spares_.size() * options_.segment_bytes;
  if (tail_ != nullptr) stats.reserved_bytes += tail_->bytes - tail_->end;
  if (prepared_) stats.reserved_bytes += prepared_->bytes;
  stats.segments = segments_.size();
  stats.spare_segments = spares_.size();
  stats.queued_records = queue_.size() + (batch_in_flight_ ? batch_.records().size() : 0);
  stats.unsynced_records = unsynced_.size();
  stats.is_cleaning = cleaner_.is_running();
  stats.is_failing = failing_;
  return stats;
}

}  // namespace godwit::spool
