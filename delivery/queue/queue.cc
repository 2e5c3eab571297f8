#include "delivery/queue/queue.h"

#include "core/base/ascii.h"
#include "delivery/queue/active_message.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/freeze_notice.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/log_lines.h"
#include "delivery/queue/message_key.h"
#include "delivery/route/local_user.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr size_t kTableSlotsMin = 64;

size_t hash_of(const spool::MessageKey& key) noexcept {
  uint64_t mixed = (key.high ^ (key.low >> 7)) * 0x9e3779b97f4a7c15U + key.low;
  mixed ^= mixed >> 29;
  return static_cast<size_t>(mixed * 0xbf58476d1ce4e5b9U >> 16);
}

// Of those that are due together, the message that came first.
bool comes_before(const QueueEntry& a, const QueueEntry& b) noexcept {
  return a.next_attempt != b.next_attempt ? a.next_attempt < b.next_attempt
                                          : a.received < b.received;
}

// The number where nobody has it.
std::string login_of(uid_t uid) {
  const std::string number = std::to_string(uid);
  const Result<std::optional<LocalUser>> user = ask_local_user(number, true);
  return user && *user && !(*user)->login.empty() ? (*user)->login : number;
}

}  // namespace

Queue::Queue(std::shared_ptr<const DeliveryConfig> config, const DeliveryServices& services)
    : config_(std::move(config)),
      services_(services),
      destinations_(*config_, services),
      keeper_(services.hints, config_->retry,
              {config_->options().retry_interval_max, config_->options().retry_data_expire},
              services.random),
      timer_([](void* self) noexcept { static_cast<Queue*>(self)->start_due(); }, this),
      table_(kTableSlotsMin, nullptr),
      login_(services.login.empty() ? login_of(::geteuid()) : services.login),
      fill_later_([](void* self) noexcept { static_cast<Queue*>(self)->fill(); }, this) {}

Queue::~Queue() {
  for (QueueEntry* entry : table_) {
    if (entry == nullptr) continue;
    delete entry->active;
    delete entry;
  }
}

// --- The table of entries ------------------------------------------------------------------------

size_t Queue::table_slot(const spool::MessageKey& key) const noexcept {
  const size_t mask = table_.size() - 1;
  size_t slot = hash_of(key) & mask;
  while (table_[slot] != nullptr && table_[slot]->key != key) slot = (slot + 1) & mask;
  return slot;
}

QueueEntry* Queue::find(const spool::MessageKey& key) const noexcept {
  return table_[table_slot(key)];
}

void Queue::grow_table() {
  std::vector<QueueEntry*> old(table_.size() * 2, nullptr);
  old.swap(table_);
  for (QueueEntry* entry : old) {
    if (entry != nullptr) table_[table_slot(entry->key)] = entry;
  }
  for (Walk* walk = walks_; walk != nullptr; walk = walk->next) walk->at = 0;
}

QueueEntry& Queue::insert(spool::MessageKey key, spool::MessageRef ref) {
  if ((count_ + 1) * 4 > table_.size() * 3) grow_table();
  const size_t slot = table_slot(key);
  GODWIT_ASSERT(table_[slot] == nullptr);
  auto* entry = new QueueEntry;
  entry->key = key;
  entry->ref = ref;
  table_[slot] = entry;
  ++count_;
  return *entry;
}

// Closes the gap by moving back whoever was pushed along by the entry.
void Queue::erase(QueueEntry& entry) {
  take_out_of_waiting(entry);
  if (entry.ready) std::erase(ready_, &entry);
  if (entry.frozen) --frozen_;
  leave_run(std::exchange(entry.run, 0));
  const size_t mask = table_.size() - 1;
  size_t hole = table_slot(entry.key);
  table_[hole] = nullptr;
  for (size_t at = (hole + 1) & mask; table_[at] != nullptr; at = (at + 1) & mask) {
    const size_t home = hash_of(table_[at]->key) & mask;
    const bool may_stay = ((at - home) & mask) < ((at - hole) & mask);
    if (may_stay) continue;
    for (Walk* walk = walks_; walk != nullptr; walk = walk->next) {
      if (hole < walk->at && at >= walk->at) walk->skipped.push_back(table_[at]->key);
    }
    table_[hole] = std::exchange(table_[at], nullptr);
    hole = at;
  }
  --count_;
  delete entry.active;
  delete &entry;
}

// --- Recovery ------------------------------------------------------------------------------------

void Queue::on_message(spool::MessageRef ref, spool::MessageKey key, uint64_t envelope_bytes,
                       uint64_t header_bytes, uint64_t body_bytes, WallTime received) {
  (void)envelope_bytes;
  if (find(key) != nullptr) {
    on_damage("a message is in the spool twice: " + id_of(key).to_string());
    return;
  }
  QueueEntry& entry = insert(key, ref);
  entry.received = received;
  entry.message_bytes = header_bytes + 2 + body_bytes;
  schedule_recovered(entry);
}

void Queue::on_update(spool::MessageRef, spool::MessageKey key, std::string_view payload) {
  QueueEntry* entry = find(key);
  if (entry == nullptr) return;
  const bool was_frozen = entry->frozen;
  const Result<void> applied = apply_change(*entry, payload);
  if (!applied) on_damage(id_of(key).to_string() + ": " + applied.error().to_string());
  if (entry->frozen != was_frozen) frozen_ += entry->frozen ? 1U : static_cast<size_t>(-1);
  schedule_recovered(*entry);
}

void Queue::on_damage(std::string_view text) {
  services_.log.main(LogEvent::spool, "", "spool: " + std::string(text));
}

void Queue::schedule_recovered(QueueEntry& entry) {
  if (entry.ready || entry.active != nullptr) return;
  wait_until(entry, entry.frozen ? frozen_deadline(entry) : entry.next_attempt);
}

void Queue::start() {
  started_ = true;
  start_due();
}

// --- Arrival -------------------------------------------------------------------------------------

void Queue::accepted(spool::StoredMessage stored, Envelope envelope, bool hold) {
  QueueEntry& entry = insert(stored.key, stored.ref);
  entry.received = stored.received;
  entry.message_bytes = stored.header_bytes + 2 + stored.body_bytes;
  if (!envelope.queue_name.empty()) {
    entry.need_progress().queue_name = envelope.queue_name;
    services_.store->update(entry.ref, encode_text(ChangeKind::queue, envelope.queue_name));
  }
  if (envelope.frozen_at_start) {
    entry.frozen = true;
    ++frozen_;
    entry.need_progress().frozen_at = services_.loop.clock().wall();
    note_kind(entry, envelope.sender);
    services_.store->update(entry.ref,
                            encode_number(ChangeKind::frozen, entry.progress->frozen_at.micros));
    services_.log.main(LogEvent::frozen, envelope.message_id, "frozen by an ACL");
    if (!envelope.is_local_error) {
      const FreezeNotice notice{envelope.message_id, envelope.sender,
                                services_.loop.clock().wall()};
      scope_.spawn(tell_frozen(*this, *config_, services_, notice));
    }
    wait_until(entry, frozen_deadline(entry));
    return;
  }
  if (hold || envelope.queue_only) {
    wait_until(entry, kNotBeforeQueueRun);
    return;
  }
  const uint64_t bytes = stored.header_bytes + stored.body_bytes;
  if (fresh_bytes_ + bytes <= kFreshBytesMax) {
    fresh_bytes_ += bytes;
    auto active = std::make_unique<ActiveMessage>(entry, *services_.store, stored.body_bytes);
    active->envelope = std::move(envelope);
    active->fresh_bytes = bytes;
    if (stored.bytes != nullptr) active->content.set_bytes(std::move(stored.bytes));
    entry.active = active.release();
  }
  make_ready(entry);
  fill();
}

// --- Scheduling ----------------------------------------------------------------------------------

WallTime Queue::frozen_deadline(const QueueEntry& entry) const {
  WallTime next = kNotBeforeQueueRun;
  if (entry.progress == nullptr) return next;
  const config::MainOptions& options = config_->options();
  const WallTime since = entry.progress->frozen_at;
  const SeenAs seen_as = entry.progress->seen_as;
  if (options.auto_thaw.count > 0 && !entry.progress->manual_thaw && seen_as != SeenAs::bounce)
    next = std::min(next, since + options.auto_thaw);
  if (options.timeout_frozen_after.count > 0)
    next = std::min(next, since + options.timeout_frozen_after);
  // Bounces that cannot be delivered are kept that long and then dropped.
  if (options.ignore_bounce_errors_after.count > 0 && seen_as != SeenAs::other)
    next = std::min(next, since + options.ignore_bounce_errors_after);
  return next;
}

void Queue::make_ready(QueueEntry& entry) {
  if (entry.ready) return;
  take_out_of_waiting(entry);
  entry.ready = true;
  ready_.push_back(&entry);
}

void Queue::wait_until(QueueEntry& entry, WallTime when) {
  take_out_of_waiting(entry);
  entry.next_attempt = when;
  waiting_.push_back(&entry);
  entry.heap_index = static_cast<uint32_t>(waiting_.size() - 1);
  heap_sift_up(waiting_.size() - 1);
  if (waiting_.front() == &entry) arm_timer();
}

void Queue::take_out_of_waiting(QueueEntry& entry) noexcept {
  if (entry.heap_index == UINT32_MAX) return;
  const size_t index = entry.heap_index;
  QueueEntry* last = waiting_.back();
  waiting_.pop_back();
  entry.heap_index = UINT32_MAX;
  if (last == &entry) return;
  heap_place(index, last);
  heap_sift_up(index);
  heap_sift_down(last->heap_index);
}

void Queue::heap_place(size_t index, QueueEntry* entry) noexcept {
  waiting_[index] = entry;
  entry->heap_index = static_cast<uint32_t>(index);
}

void Queue::heap_sift_up(size_t index) noexcept {
  QueueEntry* entry = waiting_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (!comes_before(*entry, *waiting_[parent])) break;
    heap_place(index, waiting_[parent]);
    index = parent;
  }
  heap_place(index, entry);
}

void Queue::heap_sift_down(size_t index) noexcept {
  QueueEntry* entry = waiting_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= waiting_.size()) break;
    if (child + 1 < waiting_.size() && comes_before(*waiting_[child + 1], *waiting_[child]))
      ++child;
    if (!comes_before(*waiting_[child], *entry)) break;
    heap_place(index, waiting_[child]);
    index = child;
  }
  heap_place(index, entry);
}

void Queue::arm_timer() {
  if (!started_ || stopping_ || waiting_.empty()) return;
  const WallTime when = waiting_.front()->next_attempt;
  if (when == kNotBeforeQueueRun) return;
  const int64_t micros = std::max<int64_t>(0, when.micros - services_.loop.clock().wall().micros);
  services_.loop.timers().set(timer_, Instant{services_.loop.clock().now().micros + micros});
}

bool Queue::is_overloaded() const {
  const int64_t limit = config_->options().deliver_queue_load_max.thousandths;
  return limit >= 0 && services_.machine != nullptr &&
         services_.machine->load_thousandths() > limit;
}

void Queue::start_due() {
  if (stopping_) return;
  if (is_overloaded()) {
    services_.loop.timers().set(timer_, services_.loop.clock().now() + kOverloadPause);
    return;
  }
  const WallTime now = services_.loop.clock().wall();
  // What this turn has no time for stays due: the timer comes again at once.
  for (size_t made = 0; !waiting_.empty() && waiting_.front()->next_attempt <= now; ++made) {
    if (made % kDuePerLook == kDuePerLook - 1 && services_.loop.is_late()) break;
    make_ready(*waiting_.front());
  }
  fill();
  arm_timer();
}

void Queue::fill() {
  if (filling_ || !started_) return;
  filling_ = true;
  while (!stopping_ && active_ < kActiveMessagesMax && !ready_.empty()) {
    if (services_.loop.is_late()) {
      services_.loop.put_off(fill_later_);
      break;
    }
    QueueEntry* entry = ready_.front();
    ready_.pop_front();
    entry->ready = false;
    ++active_;
    scope_.spawn(attempt(*entry));
  }
  filling_ = false;
}

// Reads the envelope where it is not at hand.
Task<Result<void>> Queue::load(QueueEntry& entry) {
  if (entry.active == nullptr) {
    const std::string bytes = co_await ok(services_.store->read_envelope(entry.ref));
    Result<Envelope> envelope = decode_envelope(bytes);
    if (!envelope) co_return envelope.error();
    const uint64_t header_and_line = 2;
    auto active = std::make_unique<ActiveMessage>(entry, *services_.store, uint64_t{0});
    active->envelope = std::move(*envelope);
    entry.active = active.release();
    co_await ok(entry.active->content.load_headers());
    const uint64_t header_bytes = entry.active->content.header_section().size();
    entry.active->content.set_body_bytes(entry.message_bytes - header_bytes - header_and_line);
  }
  if (entry.progress != nullptr) {
    for (const std::string& added : entry.progress->added) {
      std::vector<EnvelopeRecipient>& recipients = entry.active->envelope.recipients;
      const bool known =
          std::any_of(recipients.begin(), recipients.end(),
                      [&](const EnvelopeRecipient& r) { return r.address == added; });
      if (!known) recipients.push_back({added, {}, {}, 0});
    }
  }
  co_return Result<void>();
}

// Waits for its first queue run.
bool Queue::is_held(const QueueEntry& entry) {
  return entry.active != nullptr && entry.active->envelope.queue_only &&
         (entry.progress == nullptr || !entry.progress->released);
}

// From now on its retry times count.
void Queue::release(QueueEntry& entry) {
  entry.need_progress().released = true;
  services_.store->update(entry.ref, encode_number(ChangeKind::released, 1));
}

Task<void> Queue::attempt(QueueEntry& entry) {
  const Result<void> loaded = co_await load(entry);
  std::optional<DeliveryAttempt> work;
  DeliveryAttempt::Verdict verdict;
  const WallTime now = services_.loop.clock().wall();
  verdict.next_attempt = now + kUnreadableRetry;
  if (!loaded) {
    services_.log.panic(LogEvent::spool, id_of(entry.key).to_string(),
                        "cannot read the message from the spool: " + loaded.error().to_string());
  } else if (is_held(entry) && !entry.forced && !entry.in_run) {
    verdict.next_attempt = kNotBeforeQueueRun;
  } else {
    work.emplace(*this, *entry.active);
    if (entry.frozen) {
      note_kind(entry, entry.active->sender());
      verdict = co_await frozen_attempt(entry, *work);
    } else {
      verdict = co_await work->run();
    }
  }
  const std::string id = id_of(entry.key).to_string();
  const bool was_held = is_held(entry);
  if (entry.active != nullptr) fresh_bytes_ -= entry.active->fresh_bytes;
  --active_;
  entry.forced = false;
  entry.in_run = false;
  entry.tried = true;
  const uint32_t run = std::exchange(entry.run, 0);
  const bool tells_frozen = verdict.freeze && !entry.frozen && entry.active != nullptr &&
                            !entry.active->envelope.is_local_error;
  const bool was_bounce = entry.active != nullptr && entry.active->sender().empty();
  FreezeNotice notice;
  if (tells_frozen) notice = {id, std::string(entry.active->sender()), now};
  if (verdict.complete) {
    complete(entry, id);
  } else {
    delete std::exchange(entry.active, nullptr);
    if (verdict.freeze && !entry.frozen) {
      set_frozen(entry, true);
      entry.progress->seen_as = was_bounce ? SeenAs::bounce : SeenAs::other;
      wait_until(entry, frozen_deadline(entry));
    } else if (entry.frozen) {
      wait_until(entry, frozen_deadline(entry));
    } else {
      if (was_held && verdict.next_attempt != kNotBeforeQueueRun) release(entry);
      if (verdict.next_attempt != entry.next_attempt &&
          verdict.next_attempt != kNotBeforeQueueRun) {
        services_.store->update(entry.ref,
                                encode_number(ChangeKind::schedule, verdict.next_attempt.micros));
      }
      wait_until(entry, verdict.next_attempt);
    }
  }
  leave_run(run);
  fill();
  if (verdict.complete) co_await work->tell_completed();
  if (tells_frozen) co_await tell_frozen(*this, *config_, services_, std::move(notice));
}

void Queue::complete(QueueEntry& entry, std::string_view id) {
  const config::LogSelectors& selectors = config_->options().log_selector;
  std::string line = "Completed";
  if (selectors.has(config::LogSelector::queue_time_overall)) {
    const WallTime now = services_.loop.clock().wall();
    const Millis queued = entry.active != nullptr
                              ? queue_time(entry.active->envelope, now, selectors)
                              : now - entry.received;
    line += " QT=" + format_duration(queued, selectors.has(config::LogSelector::millisec));
  }
  services_.log.main(LogEvent::completed, id, line);
  ++stats_.completed;
  services_.store->end(entry.ref);
  erase(entry);
}

// A frozen message comes up when it is thawed by time, or when its time is over.
Task<DeliveryAttempt::Verdict> Queue::frozen_attempt(QueueEntry& entry, DeliveryAttempt& work) {
  const config::MainOptions& options = config_->options();
  const WallTime now = services_.loop.clock().wall();
  const WallTime since = entry.progress != nullptr ? entry.progress->frozen_at : now;
  const std::string id = id_of(entry.key).to_string();
  const bool is_bounce = entry.active->sender().empty();
  DeliveryAttempt::Verdict verdict;
  if (options.timeout_frozen_after.count > 0 &&
      now - since >= Millis(options.timeout_frozen_after)) {
    services_.log.main(LogEvent::removed, id, "cancelled by timeout_frozen_after");
    if (!is_bounce) co_return co_await work.fail_all("message was frozen for too long");
    verdict.complete = true;
    co_return verdict;
  }
  if (is_bounce && options.ignore_bounce_errors_after.count > 0 &&
      now - since >= Millis(options.ignore_bounce_errors_after)) {
    services_.log.main(LogEvent::thawed, id, "Unfrozen by errmsg timer");
    set_frozen(entry, false);
    co_return co_await work.run();
  }
  const bool may_thaw = !is_bounce && entry.progress != nullptr && !entry.progress->manual_thaw;
  if (may_thaw && options.auto_thaw.count > 0 && now - since >= Millis(options.auto_thaw)) {
    services_.log.main(LogEvent::thawed, id, "Unfrozen by auto-thaw");
    set_frozen(entry, false);
    co_return co_await work.run();
  }
  tell_still_frozen(entry);
  verdict.freeze = true;
  co_return verdict;
}

void Queue::tell_still_frozen(const QueueEntry& entry) const {
  if (config_->options().log_selector.has(config::LogSelector::skip_delivery))
    services_.log.main(LogEvent::frozen, id_of(entry.key).to_string(), "Message is frozen");
}

void Queue::note_kind(QueueEntry& entry, std::string_view sender) {
  entry.need_progress().seen_as = sender.empty() ? SeenAs::bounce : SeenAs::other;
}

void Queue::set_frozen(QueueEntry& entry, bool frozen) {
  if (entry.frozen == frozen) return;
  entry.frozen = frozen;
  frozen_ += frozen ? 1U : static_cast<size_t>(-1);
  const WallTime since = frozen ? services_.loop.clock().wall() : WallTime{};
  entry.need_progress().frozen_at = since;
  services_.store->update(entry.ref, encode_number(ChangeKind::frozen, since.micros));
}

// --- The end -------------------------------------------------------------------------------------

void Queue::stop() {
  stopping_ = true;
  timer_.disarm();
  destinations_.stop();
}

Task<void> Queue::join() {
  co_await scope_.join();
  co_await destinations_.join();
}

QueueStats Queue::stats() const {
  QueueStats stats = stats_;
  stats.messages = count_;
  stats.active = active_;
  stats.frozen = frozen_;
  stats.connections = destinations_.connections();
  stats.destinations = destinations_.size();
  stats.in_doubt = destinations_.in_doubt_count();
  return stats;
}

size_t Queue::memory_bytes() const noexcept {
  return count_ * sizeof(QueueEntry) + table_.capacity() * sizeof(QueueEntry*) +
         waiting_.capacity() * sizeof(QueueEntry*) + ready_.size() * sizeof(QueueEntry*);
}

}  // namespace godwit::delivery
