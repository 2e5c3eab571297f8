#include "core/spool/cleaner.h"

#include "core/spool/segment_loader.h"
#include "core/spool/store_core.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace godwit::spool {
namespace {

struct LoadRecordCall {
  std::shared_ptr<File> file;
  uint32_t segment;
  uint32_t salt;
  uint32_t offset;

  Result<LoadedRecord> operator()() { return load_record(*file, segment, salt, offset); }
};

struct LoadWholeCall {
  std::shared_ptr<File> file;
  uint32_t segment;
  uint32_t salt;
  uint32_t offset;

  Result<LoadedWhole> operator()() { return load_whole(*file, segment, salt, offset); }
};

}  // namespace

Cleaner::Cleaner(StoreCore& core) : core_(core), turn_end_(&Cleaner::on_turn_end, this) {}

void Cleaner::kick() {
  again_ = true;
  if (running_ || core_.is_closing()) return;
  // Not at once: whoever calls may be in the middle of a batch's effects.
  core_.loop().at_turn_end(turn_end_);
}

void Cleaner::on_turn_end(void* self) noexcept {
  auto* cleaner = static_cast<Cleaner*>(self);
  if (cleaner->running_ || cleaner->core_.is_closing()) return;
  cleaner->running_ = true;
  cleaner->core_.background().spawn(cleaner->run());
}

Task<void> Cleaner::run() {
  while (again_ && !core_.is_closing()) {
    again_ = false;
    while (Segment* segment = pick()) {
      const uint32_t number = segment->number;
      const Result<void> done = co_await empty(number);
      if (core_.is_closing()) break;
      pauses_.erase(number);
      if (done) continue;
      const bool is_worth_little = done.error().code() == Errc::too_many;
      Pause& pause = pauses_[number];
      if (is_worth_little) {
        pause.tail = core_.tail_number() + kWeighAgainSegments;
      } else {
        pause.until = core_.loop().clock().now() + kRetryAfterError;
      }
    }
  }
  running_ = false;
}

Segment* Cleaner::pick() {
  const Instant now = core_.loop().clock().now();
  Segment* sparsest = nullptr;
  for (auto& [number, segment] : core_.segments()) {
    if (segment.state == SegmentState::tail || segment.is_being_sealed || segment.pins > 0)
      continue;
    const auto pause = pauses_.find(number);
    const bool is_paused = pause != pauses_.end() &&
                           (now < pause->second.until || core_.tail_number() < pause->second.tail);
    if (is_paused) continue;
    if (is_free(segment)) return &segment;
    if (is_oldest_of_an_empty_store(segment) && !core_.is_failing()) return &segment;
    const bool is_dead = segment.live_messages == 0 && segment.updates == 0;
    if (is_dead && !core_.is_failing()) return &segment;
    if (!core_.has_room_to_move()) continue;
    if (number + core_.options().compact_age_segments > core_.tail_number()) continue;
    const uint64_t limit = uint64_t{segment.end} * core_.options().compact_live_percent / 100;
    if (segment.live_bytes >= limit) continue;
    if (sparsest == nullptr || segment.live_bytes < sparsest->live_bytes) sparsest = &segment;
  }
  return sparsest;
}

// Nothing in the segment is needed: it may go without a word in the log.
bool Cleaner::is_free(const Segment& segment) {
  const auto needs_it = [&](uint32_t other) { return is_guarded_by(other, segment.number); };
  return segment.live_messages == 0 && segment.updates == 0 &&
         std::none_of(segment.guards.begin(), segment.guards.end(), needs_it);
}

// No message lives anywhere: what the oldest segment holds has ended in younger ones, and it guards
// nobody. So a full disk gets its room back although there is none to move updates to.
bool Cleaner::is_oldest_of_an_empty_store(const Segment& segment) const {
  return core_.live().size() == 0 && core_.segments().begin()->first == segment.number;
}

// Whether records of `guard` alone keep dead what ended in the segment `other`: not where that is
// gone, nor where its survivors were told further on.
bool Cleaner::is_guarded_by(uint32_t other, uint32_t guard) {
  const Segment* segment = core_.find_segment(other);
  return segment != nullptr && segment->survivors_in <= guard;
}

Task<Result<void>> Cleaner::empty(uint32_t number) {
  Segment& before = core_.segments().at(number);
  if (is_free(before)) co_return co_await core_.release(before);
  // Every chain of updates that is looked at below is then on disk.
  co_await ok(core_.flush());
  if (is_oldest_of_an_empty_store(core_.segments().at(number))) {
    co_return co_await core_.release(core_.segments().at(number));
  }
  std::string index;
  if (before.updates > 0) {
    index = co_await ok(read_index(number));
    const uint64_t live = before.live_bytes + weigh_updates(number, index);
    const uint64_t limit = uint64_t{before.end} * core_.options().compact_live_percent / 100;
    if (live > limit) co_return Error(Errc::too_many, "live updates");
  }
  while (core_.segments().at(number).live_messages > 0) {
    co_await ok(move_round(number));
    if (core_.is_closing()) co_return Error(Errc::cancelled, "closing");
  }
  if (!index.empty()) co_await ok(gather_chains(number, std::move(index)));
  co_await ok(tell_survivors(number));
  Segment& segment = core_.segments().at(number);
  if (segment.live_messages > 0 || segment.pins > 0) co_return Error(Errc::locked, "in use");
  co_return co_await core_.release(segment);
}

// Moves some of the segment's messages to the tail and waits until they are there.
Task<Result<void>> Cleaner::move_round(uint32_t number) {
  std::vector<RecordPtr> moved;
  size_t bytes = 0;
  uint32_t slot = core_.segments().at(number).first_live;
  while (slot != LiveTable::kNone && moved.size() < kMovedMessagesPerRound &&
         bytes < kMovedBytesPerRound) {
    const LiveMessage& message = core_.live()[slot];
    const uint32_t next = message.next;
    if (!message.is_ended) {
      bytes += message.record_bytes();
      RecordPtr record = co_await ok(read_for_move(slot));
      moved.push_back(core_.enqueue(std::move(record)));
      // The list may have changed while the message was read.
      const bool is_same = core_.live().is_valid(next) && core_.live()[next].at.segment == number;
      slot = next != LiveTable::kNone && is_same ? next : LiveTable::kNone;
    } else {
      slot = next;
    }
  }
  co_await ok(core_.flush());
  for (const RecordPtr& record : moved) {
    if (record->state == RecordState::failed) co_return *record->error;
  }
  co_return Result<void>();
}

Task<Result<RecordPtr>> Cleaner::read_for_move(uint32_t slot) {
  const LiveMessage before = core_.live()[slot];
  Segment& segment = core_.segments().at(before.at.segment);
  const SegmentPin pin(core_, segment);
  LoadWholeCall call{segment.file, segment.number, segment.salt, before.at.offset};
  LoadedWhole whole = co_await ok(co_await blocking(core_.loop(), std::move(call)));
  auto record = std::make_shared<PendingRecord>();
  record->type = RecordType::message;
  record->flags = whole.message.header.flags;
  record->key = before.key;
  record->slot = slot;
  record->bytes = std::move(whole.bytes);
  record->fixed = whole.message.fixed;
  record->is_derived = record->is_transient = true;
  record->expected_at = before.at;
  record->expected_update = before.last_update;
  if (before.last_update.is_set()) {
    Chain chain = co_await ok(read_chain(before.last_update, segment.number));
    record->updates = std::move(chain.items);
  }
  record->fixed.updates_bytes = static_cast<uint32_t>(record->updates.size());
  co_return record;
}

Task<Result<Cleaner::Chain>> Cleaner::read_chain(Position last, uint32_t segment_of_interest) {
  Chain chain;
  std::vector<std::string> newest_first;
  for (Position at = last; at.is_set();) {
    if (at.segment == segment_of_interest) chain.touches_segment = true;
    Segment* segment = core_.find_segment(at.segment);
    if (segment == nullptr) co_return Error(Errc::disk_error, "a chain of updates is broken");
    const SegmentPin pin(core_, *segment);
    LoadRecordCall call{segment->file, segment->number, segment->salt, at.offset};
    const auto record = co_await blocking(core_.loop(), std::move(call));
    if (record && record->header.type == RecordType::update) {
      const auto previous = decode_update_previous(record->payload);
      if (!previous) co_return Error(Errc::disk_error, "an update is too short");
      newest_first.push_back(record->payload.substr(kUpdateFixedBytes));
      at = *previous;
      continue;
    }
    // The chain begins with what the message carried when it moved.
    LoadWholeCall whole_call{segment->file, segment->number, segment->salt, at.offset};
    LoadedWhole whole = co_await ok(co_await blocking(core_.loop(), std::move(whole_call)));
    newest_first.push_back(std::move(whole.updates));
    break;
  }
  for (auto items = newest_first.rbegin(); items != newest_first.rend(); ++items) {
    chain.items += *items;
  }
  co_return chain;
}

Task<Result<std::string>> Cleaner::read_index(uint32_t number) {
  Segment& segment = core_.segments().at(number);
  if (segment.state != SegmentState::sealed) co_return segment.index.payload();
  const SegmentPin pin(core_, segment);
  LoadRecordCall call{segment.file, number, segment.salt, segment.end};
  LoadedRecord record = co_await ok(co_await blocking(core_.loop(), std::move(call)));
  co_return std::move(record.payload);
}

// The bytes of the segment's updates that still count; those before the last `replace` in the same
// segment are taken for such.
uint64_t Cleaner::weigh_updates(uint32_t number, std::string_view index) {
  uint64_t bytes = 0;
  IndexReader reader(index);
  while (const auto entry = reader.next()) {
    if (entry->type != RecordType::update) continue;
    const uint32_t slot = core_.live().find(entry->key);
    if (slot == LiveTable::kNone) continue;
    const uint32_t begin = core_.live()[slot].chain_segment;
    if (begin != 0 && begin <= number) bytes += entry->record_bytes;
  }
  return bytes;
}

// Writes the updates of living messages anew where some of them are in this segment.
Task<Result<void>> Cleaner::gather_chains(uint32_t number, std::string index) {
  IndexReader reader(index);
  std::vector<RecordPtr> round;
  std::optional<IndexEntry> entry = reader.next();
  while (entry) {
    if (entry->type == RecordType::update) {
      const auto is_same = [&](const RecordPtr& other) { return other->key == entry->key; };
      const bool is_done = std::any_of(round.begin(), round.end(), is_same);
      const uint32_t slot = is_done ? LiveTable::kNone : core_.live().find(entry->key);
      RecordPtr record = co_await ok(gather_chain(slot, number));
      if (record) round.push_back(core_.enqueue(std::move(record)));
    }
    entry = reader.next();
    if (entry && round.size() < kMovedMessagesPerRound) continue;
    co_await ok(conclude_round(round));
    if (core_.is_closing()) co_return Error(Errc::cancelled, "closing");
  }
  co_return Result<void>();
}

// The message's updates in one record, where some are in this segment; else null.
Task<Result<RecordPtr>> Cleaner::gather_chain(uint32_t slot, uint32_t number) {
  if (slot == LiveTable::kNone || core_.live()[slot].is_ended) co_return RecordPtr();
  const LiveMessage before = core_.live()[slot];
  if (!before.last_update.is_set()) co_return RecordPtr();
  const Segment* home = core_.find_segment(before.last_update.segment);
  // Made a moment ago: what it is chained to cannot be read yet.
  if (home == nullptr || before.last_update.offset >= home->synced_to) {
    co_return Error(Errc::locked, "busy");
  }
  Chain chain = co_await ok(read_chain(before.last_update, number));
  if (!chain.touches_segment) co_return RecordPtr();
  auto record = std::make_shared<PendingRecord>();
  record->type = RecordType::update;
  record->flags = kFlagReplace;
  record->key = before.key;
  record->slot = slot;
  record->updates = std::move(chain.items);
  record->is_derived = record->is_transient = true;
  record->expected_at = before.at;
  record->expected_update = before.last_update;
  co_return record;
}

// Where a message went on meanwhile its segment stays until the next try.
Task<Result<void>> Cleaner::conclude_round(std::vector<RecordPtr>& round) {
  if (round.empty()) co_return Result<void>();
  co_await ok(core_.flush());
  bool is_busy = false;
  for (const RecordPtr& record : round) {
    if (record->state == RecordState::failed) co_return *record->error;
    const LiveMessage& message = core_.live()[record->slot];
    const bool is_gone = !message.is_used || message.key != record->key || message.is_ended;
    if (record->state == RecordState::stale && !is_gone) is_busy = true;
  }
  round.clear();
  if (is_busy) co_return Error(Errc::locked, "busy");
  co_return Result<void>();
}

// What this segment's records keep dead in others must be told anew before it goes.
Task<Result<void>> Cleaner::tell_survivors(uint32_t number) {
  std::vector<RecordPtr> told;
  const std::vector<uint32_t> guards = core_.segments().at(number).guards;
  for (const uint32_t other : guards) {
    if (!is_guarded_by(other, number)) continue;
    auto record = std::make_shared<PendingRecord>();
    record->type = RecordType::survivors;
    record->survivors_of = other;
    told.push_back(core_.enqueue(std::move(record)));
  }
  if (told.empty()) co_return Result<void>();
  co_await ok(core_.flush());
  for (const RecordPtr& record : told) {
    const bool is_told =
        record->state == RecordState::durable || record->state == RecordState::stale;
    if (!is_told) co_return Error(Errc::disk_error, "survivors are not on disk");
  }
  co_return Result<void>();
}

}  // namespace godwit::spool
