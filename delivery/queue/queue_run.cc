// Queue: queue runs (-q, -R): which messages they take, and in which order.
#include "acl/expand/regex.h"
#include "core/base/ascii.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/message_key.h"
#include "delivery/queue/queue.h"
#include "protocol/spool_format/envelope.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

void Queue::take_into_run(QueueEntry& entry, const QueueRun& run) {
  entry.forced = run.forced;
  entry.in_run = true;
  join_run(entry, run);
  if (entry.frozen && run.with_frozen) {
    services_.log.main(LogEvent::thawed, id_of(entry.key).to_string(),
                       "Unfrozen by forced delivery");
    set_frozen(entry, false);
  }
  make_ready(entry);
}

// A message that an earlier run waits for is that one's.
void Queue::join_run(QueueEntry& entry, const QueueRun& run) {
  if (entry.run != 0) return;
  entry.run = run.number;
  ++runs_.at(run.number).left;
}

void Queue::leave_run(uint32_t number) {
  const auto found = runs_.find(number);
  if (found == runs_.end() || --found->second.left > 0) return;
  tell_run("End", found->second.run);
  runs_.erase(found);
}

// Whether the addresses of a message are those that a run asks for, whatever the case of letters.
Task<bool> Queue::matches(spool::MessageRef ref, const QueueRun& run) {
  const Result<std::string> bytes = co_await services_.store->read_envelope(ref);
  if (!bytes) co_return false;
  const Result<Envelope> envelope = decode_envelope(*bytes);
  if (!envelope) co_return false;
  const auto has = [&run](const std::string& address, const std::string& text) {
    if (!run.is_regex) return to_lower(address).find(to_lower(text)) != std::string::npos;
    const Result<acl::Regex> regex = acl::Regex::compile(text, true);
    return regex && regex->search(address).value_or(false);
  };
  if (!run.sender_match.empty() && !has(envelope->sender, run.sender_match)) co_return false;
  if (run.match.empty()) co_return true;
  for (const EnvelopeRecipient& recipient : envelope->recipients) {
    if (has(recipient.address, run.match)) co_return true;
  }
  co_return false;
}

// Looks into one message after the other; any of them may have gone, or be under way, by then.
Task<void> Queue::run_matching(QueueRun run, std::vector<RunItem> items) {
  run.forced = true;
  ++selecting_;
  for (const RunItem& item : items) {
    co_await yield_if_late(services_.loop);
    QueueEntry* entry = find(item.key);
    if (entry == nullptr || stopping_) continue;
    const bool wanted = co_await matches(entry->ref, run);
    entry = find(item.key);
    if (!wanted || entry == nullptr) continue;
    if (entry->heap_index == UINT32_MAX) {
      entry->in_run = entry->forced = true;
      join_run(*entry, run);
      continue;
    }
    take_into_run(*entry, run);
    fill();
  }
  --selecting_;
  leave_run(run.number);
}

namespace {

// The options that ask for it: " -qf -R text"; nothing where it is a plain one.
std::string run_flags(const QueueRun& run) {
  std::string out = " -q";
  if (run.first_only) out += 'i';
  if (run.forced) out += 'f';
  if (run.with_frozen) out += 'f';
  if (out == " -q") out.clear();
  const char* kind = run.is_regex ? "r " : " ";
  if (!run.match.empty()) out += std::string(" -R") + kind + run.match;
  if (!run.sender_match.empty()) out += std::string(" -S") + kind + run.sender_match;
  return out;
}

}  // namespace

void Queue::tell_run(std::string_view what, const QueueRun& run, std::string_view why) const {
  std::string line(what);
  if (!run.queue_name.empty()) line += " '" + run.queue_name + "'";
  line += " queue run: pid=" + std::to_string(services_.server.pid) + run_flags(run);
  services_.log.main(LogEvent::queue_run, "", line.append(why));
}

void Queue::run_queue(const QueueRun& run) {
  if (is_overloaded() && !run.forced) {
    tell_run("Abandon", run, " (the load is over deliver_queue_load_max)");
    return;
  }
  tell_run("Start", run);
  QueueRun numbered = run;
  numbered.number = ++last_run_;
  runs_.emplace(numbered.number, OpenRun{run});
  scope_.spawn(take_run(std::move(numbered)));
}

// What a run takes.
Task<std::vector<Queue::RunItem>> Queue::messages_of(const QueueRun& run) {
  std::vector<RunItem> chosen;
  Walk walk;
  walk.next = std::exchange(walks_, &walk);
  while (walk.at < table_.size() && !stopping_) {
    if (walk.at % kEntriesPerLook == 0) co_await yield_if_late(services_.loop);
    QueueEntry* entry = table_[walk.at++];
    if (entry != nullptr) choose(*entry, run, chosen);
  }
  Walk** link = &walks_;
  while (*link != &walk) link = &(*link)->next;
  *link = walk.next;
  for (const spool::MessageKey& key : walk.skipped) {
    QueueEntry* entry = find(key);
    if (entry != nullptr) choose(*entry, run, chosen);
  }
  co_return chosen;
}

void Queue::choose(QueueEntry& entry, const QueueRun& run, std::vector<RunItem>& chosen) {
  if (entry.queue_name() != run.queue_name) return;
  if (!run.first_id.empty()) {
    const std::string id = id_of(entry.key).to_string();
    if (id < run.first_id || (!run.last_id.empty() && id > run.last_id)) return;
  }
  if (entry.heap_index == UINT32_MAX) {
    // On its way already, because it is due or not yet looked at after a start.
    if (run.selects()) {
      chosen.push_back({entry.received, entry.key});
      return;
    }
    entry.in_run = true;
    join_run(entry, run);
    entry.forced = entry.forced || run.forced;
    return;
  }
  const WallTime now = services_.loop.clock().wall();
  if (run.first_only && entry.tried) return;
  if (entry.frozen && !run.with_frozen && frozen_deadline(entry) > now) {
    if (!run.selects()) tell_still_frozen(entry);
    return;
  }
  const bool held = entry.next_attempt == kNotBeforeQueueRun || entry.waits_for_run;
  if (!run.forced && !run.selects() && !held && entry.next_attempt > now) return;
  chosen.push_back({entry.received, entry.key});
}

// The oldest first.
Task<void> Queue::take_run(QueueRun run) {
  ++selecting_;
  std::vector<RunItem> items = co_await messages_of(run);
  auto sorting = [&items] {
    std::ranges::sort(items, {}, &RunItem::received);
    return true;
  };
  if (items.size() > kSortedOnLoopMax) {
    co_await blocking(services_.loop, sorting);
  } else {
    sorting();
  }
  if (!run.selects()) {
    co_await take_all(run, items);
    leave_run(run.number);
  } else {
    scope_.spawn(run_matching(run, std::move(items)));
  }
  --selecting_;
  fill();
}

// Any of them may have gone by now, or be under way.
Task<void> Queue::take_all(const QueueRun& run, const std::vector<RunItem>& items) {
  for (const RunItem& item : items) {
    co_await yield_if_late(services_.loop);
    if (stopping_) co_return;
    QueueEntry* entry = find(item.key);
    if (entry == nullptr) continue;
    if (entry->heap_index != UINT32_MAX) {
      take_into_run(*entry, run);
    } else {
      entry->in_run = true;
      join_run(*entry, run);
      entry->forced = entry->forced || run.forced;
    }
  }
}

}  // namespace godwit::delivery
