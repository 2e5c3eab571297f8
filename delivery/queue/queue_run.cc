// Queue: queue runs (-q, -R): which messages they take, and in which order.
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
  if (entry.frozen && run.with_frozen) (void)thaw(id_of(entry.key));
  make_ready(entry);
}

// Whether a recipient of the message has `text` in it, whatever the case of letters.
Task<bool> Queue::matches(spool::MessageRef ref, std::string text) {
  const Result<std::string> bytes = co_await services_.store->read_envelope(ref);
  if (!bytes) co_return false;
  const Result<Envelope> envelope = decode_envelope(*bytes);
  if (!envelope) co_return false;
  for (const EnvelopeRecipient& recipient : envelope->recipients) {
    if (to_lower(recipient.address).find(text) != std::string::npos) co_return true;
  }
  co_return false;
}

// Looks into one message after the other; any of them may have gone, or be under way, by then.
Task<void> Queue::run_matching(QueueRun run, std::vector<spool::MessageKey> keys) {
  const std::string text = to_lower(run.match);
  run.forced = true;
  ++selecting_;
  for (const spool::MessageKey& key : keys) {
    QueueEntry* entry = find(key);
    if (entry == nullptr || stopping_) continue;
    const bool wanted = co_await matches(entry->ref, text);
    entry = find(key);
    if (!wanted || entry == nullptr || entry->heap_index == UINT32_MAX) continue;
    take_into_run(*entry, run);
    fill();
  }
  --selecting_;
}

void Queue::run_queue(const QueueRun& run) {
  if (is_overloaded() && !run.forced) {
    services_.log.main(LogEvent::queue_run, "",
                       "Abandon queue run: pid=" + std::to_string(services_.server.pid) +
                           " (the load is over deliver_queue_load_max)");
    return;
  }
  const std::string what =
      run.queue_name.empty() ? " queue run: pid=" : " '" + run.queue_name + "' queue run: pid=";
  const std::string pid = std::to_string(services_.server.pid);
  services_.log.main(LogEvent::queue_run, "", "Start" + what + pid);
  std::vector<QueueEntry*> chosen;
  const WallTime now = services_.loop.clock().wall();
  for (QueueEntry* entry : waiting_) {
    if (entry->queue_name() != run.queue_name) continue;
    if (entry->frozen && !run.with_frozen && frozen_deadline(*entry) > now) continue;
    const bool held = entry->next_attempt == kNotBeforeQueueRun || entry->waits_for_run;
    if (!run.forced && run.match.empty() && !held && entry->next_attempt > now) continue;
    chosen.push_back(entry);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const QueueEntry* a, const QueueEntry* b) { return a->received < b->received; });
  if (!run.match.empty()) {
    std::vector<spool::MessageKey> keys;
    for (const QueueEntry* entry : chosen) keys.push_back(entry->key);
    scope_.spawn(run_matching(run, std::move(keys)));
    chosen.clear();
  }
  for (QueueEntry* entry : chosen) take_into_run(*entry, run);
  // What is on its way already, because it is due or not yet looked at after a start.
  for (QueueEntry* entry : table_) {
    if (entry == nullptr || entry->heap_index != UINT32_MAX || !run.match.empty()) continue;
    if (entry->queue_name() != run.queue_name) continue;
    entry->in_run = true;
    entry->forced = entry->forced || run.forced;
  }
  fill();
  services_.log.main(LogEvent::queue_run, "", "End" + what + pid);
}

}  // namespace godwit::delivery
