// Queue: the operator's commands on single messages (-M...). A message that is being delivered just
// now answers "locked"; the others are changed in the spool and in memory at once.
#include "core/base/ascii.h"
#include "delivery/queue/active_message.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/message_key.h"
#include "delivery/queue/queue.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

Result<QueueEntry*> Queue::quiet_entry(const message::MessageId& id) const {
  QueueEntry* entry = find(key_of(id));
  if (entry == nullptr) return Error(Errc::not_found, "no message " + id.to_string());
  const bool is_active = !entry->ready && entry->heap_index == UINT32_MAX;
  if (is_active) return Error(Errc::locked, "the message is being delivered");
  return entry;
}

Result<void> Queue::deliver_now(const message::MessageId& id, bool forced) {
  const Result<QueueEntry*> entry = quiet_entry(id);
  if (!entry) return entry.error();
  if ((*entry)->frozen && !forced) {
    services_.log.main(LogEvent::frozen, id.text(), "Message is frozen");
    return {};
  }
  if ((*entry)->frozen) {
    services_.log.main(LogEvent::thawed, id.text(), "Unfrozen by forced delivery");
    set_frozen(**entry, false);
  }
  (*entry)->forced = forced;
  (*entry)->in_run = true;
  (*entry)->need_progress().released = true;
  make_ready(**entry);
  fill();
  return {};
}

Result<void> Queue::freeze(const message::MessageId& id, std::string_view who) {
  const Result<QueueEntry*> entry = quiet_entry(id);
  if (!entry) return entry.error();
  if ((*entry)->frozen) return Error(Errc::already_exists, "is already frozen");
  services_.log.main(LogEvent::frozen, id.text(), "frozen by " + std::string(who));
  set_frozen(**entry, true);
  if ((*entry)->ready) {
    (*entry)->ready = false;
    std::erase(ready_, *entry);
  }
  wait_until(**entry, frozen_deadline(**entry));
  return {};
}

Result<void> Queue::thaw(const message::MessageId& id, std::string_view who) {
  const Result<QueueEntry*> entry = quiet_entry(id);
  if (!entry) return entry.error();
  if (!(*entry)->frozen) return Error(Errc::already_exists, "is not frozen");
  services_.log.main(LogEvent::thawed, id.text(), "unfrozen by " + std::string(who));
  set_frozen(**entry, false);
  (*entry)->need_progress().manual_thaw = true;
  wait_until(**entry, kNotBeforeQueueRun);
  return {};
}

Result<void> Queue::remove(const message::MessageId& id, std::string_view who) {
  QueueEntry* entry = find(key_of(id));
  if (entry == nullptr) return Error(Errc::not_found, "no message " + id.to_string());
  const Result<QueueEntry*> quiet = quiet_entry(id);
  if (!quiet) return quiet.error();
  services_.log.main(LogEvent::removed, id.text(), "removed by " + std::string(who));
  complete(*entry, id.text());
  return {};
}

Task<Result<void>> Queue::mark_delivered(message::MessageId id, std::string address,
                                         std::string who) {
  Result<QueueEntry*> found = quiet_entry(id);
  if (!found) co_return found.error();
  QueueEntry& entry = **found;
  const bool was_ready = entry.ready;
  const WallTime when = entry.next_attempt;
  take_out_of_waiting(entry);
  if (was_ready) std::erase(ready_, &entry);
  entry.ready = false;
  const Result<void> loaded = co_await load(entry);
  bool matched = false;
  size_t left = 0;
  if (loaded) {
    std::vector<uint32_t> done;
    const std::vector<EnvelopeRecipient>& recipients = entry.active->envelope.recipients;
    for (uint32_t i = 0; i < recipients.size(); ++i) {
      if (entry.progress != nullptr && entry.progress->is_done(i)) continue;
      const bool chosen = address.empty() || equals_ignore_case(recipients[i].address, address);
      if (chosen) {
        done.push_back(i);
      } else {
        ++left;
      }
    }
    matched = !done.empty();
    for (uint32_t recipient : done) {
      entry.need_progress().set_done(recipient);
      services_.log.main(
          LogEvent::note, id.text(),
          "address <" + recipients[recipient].address + "> marked delivered by " + who);
    }
    if (matched) services_.store->update(entry.ref, encode_done(done));
  }
  if (entry.active != nullptr) fresh_bytes_ -= entry.active->fresh_bytes;
  delete std::exchange(entry.active, nullptr);
  if (loaded && left == 0 && matched) {
    complete(entry, id.text());
    co_return Result<void>();
  }
  wait_until(entry, when);
  if (was_ready) make_ready(entry);
  fill();
  if (!loaded) co_return loaded.error();
  if (!matched && !address.empty()) {
    co_return Error(Errc::invalid_argument, address + " is not a recipient: message not updated");
  }
  co_return Result<void>();
}

Result<void> Queue::add_recipient(const message::MessageId& id, std::string_view address,
                                  std::string_view who) {
  const Result<QueueEntry*> entry = quiet_entry(id);
  if (!entry) return entry.error();
  (*entry)->need_progress().added.emplace_back(address);
  services_.store->update((*entry)->ref, encode_text(ChangeKind::recipient, address));
  services_.log.main(LogEvent::note, id.text(),
                     "recipient <" + std::string(address) + "> added by " + std::string(who));
  return {};
}

Result<void> Queue::move(const message::MessageId& id, std::string_view queue_name) {
  const Result<QueueEntry*> entry = quiet_entry(id);
  if (!entry) return entry.error();
  (*entry)->need_progress().queue_name = queue_name;
  services_.store->update((*entry)->ref, encode_text(ChangeKind::queue, queue_name));
  return {};
}

Result<void> Queue::set_sender(const message::MessageId& id, std::string_view sender,
                               std::string_view who) {
  const Result<QueueEntry*> entry = quiet_entry(id);
  if (!entry) return entry.error();
  const std::string value = sender.empty() ? "<>" : std::string(sender);
  (*entry)->need_progress().new_sender = value;
  services_.store->update((*entry)->ref, encode_text(ChangeKind::sender, value));
  services_.log.main(
      LogEvent::note, id.text(),
      "sender address changed to <" + std::string(sender) + "> by " + std::string(who));
  return {};
}

Task<Result<void>> Queue::give_up(message::MessageId id, std::string who) {
  Result<QueueEntry*> found = quiet_entry(id);
  if (!found) co_return found.error();
  QueueEntry& entry = **found;
  take_out_of_waiting(entry);
  if (entry.ready) std::erase(ready_, &entry);
  entry.ready = false;
  const Result<void> loaded = co_await load(entry);
  if (!loaded) {
    wait_until(entry, services_.loop.clock().wall() + kUnreadableRetry);
    co_return loaded.error();
  }
  services_.log.main(LogEvent::note, id.text(), "cancelled by " + who);
  ++active_;
  DeliveryAttempt work(*this, *entry.active);
  const DeliveryAttempt::Verdict verdict =
      co_await work.fail_all("delivery cancelled by administrator");
  --active_;
  fresh_bytes_ -= entry.active->fresh_bytes;
  delete std::exchange(entry.active, nullptr);
  if (verdict.complete) {
    complete(entry, id.text());
    co_return Result<void>();
  }
  wait_until(entry, verdict.next_attempt);
  co_return Error(Errc::disk_error, "the report could not be written; the message stays");
}

}  // namespace godwit::delivery
