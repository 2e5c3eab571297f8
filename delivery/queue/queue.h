// Queue: every message of a worker's shard, from its acceptance to its end. It decides when a
// message is tried, takes it through routers and transports, records progress in the spool, logs,
// makes reports, and applies the operator's commands. One a worker; everything on the loop's
// thread.
//
// A message that is tried is an ActiveMessage (active_message.h); one that waits is a QueueEntry.
#pragma once

#include "acl/policy/message_id_words.h"
#include "core/io/scope.h"
#include "delivery/queue/delivery_config.h"
#include "delivery/queue/destination.h"
#include "delivery/queue/entry.h"
#include "delivery/queue/message_key.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace godwit::delivery {

struct ActiveMessage;
class DeliveryAttempt;

// What is to become of a message after it was tried.
struct AttemptVerdict {
  bool complete = false;  // no recipient is left
  bool freeze = false;
  WallTime next_attempt;
};

struct QueueStats {
  size_t messages = 0;
  size_t active = 0;
  size_t frozen = 0;
  size_t connections = 0;
  size_t destinations = 0;
  uint64_t delivered = 0;  // recipients
  uint64_t deferred = 0;   // attempts
  uint64_t failed = 0;     // recipients
  uint64_t completed = 0;  // messages
  uint64_t in_doubt = 0;
};

// What a queue run takes (-q and its kin).
struct QueueRun {
  bool forced = false;       // -qf: whatever the retry times say
  bool with_frozen = false;  // -qff
  bool first_only = false;   // -qi: only messages that were never tried
  std::string queue_name;    // -qG: of this named queue; empty: of the default one
  std::string match;         // -R: with a recipient left that has this text in it
  std::string sender_match;  // -S: with a sender that has this text in it
  bool is_regex = false;     // -Rr, -Sr: these texts are regular expressions
  std::string first_id;      // -q ID ID: no message with a lesser id; empty: any
  std::string last_id;       // nor with a greater one
  uint32_t number = 0;       // given by run_queue()

  bool selects() const noexcept { return !match.empty() || !sender_match.empty(); }
};

class Queue final : public spool::RecoverySink, public MessageInjector {
 public:
  Queue(std::shared_ptr<const DeliveryConfig> config, const DeliveryServices& services);
  ~Queue() override;

  // The store that the messages live in; before start(). It opens with this queue as its sink.
  void attach(spool::Store& store) noexcept { services_.store = &store; }

  // --- Recovery, while the store opens or adopts.
  void on_message(spool::MessageRef ref, spool::MessageKey key, uint64_t envelope_bytes,
                  uint64_t header_bytes, uint64_t body_bytes, WallTime received) override;
  void on_update(spool::MessageRef ref, spool::MessageKey key, std::string_view payload) override;
  void on_damage(std::string_view text) override;

  // Begins to deliver what is due.
  void start();

  // A message that has just become durable. `hold`: not before the next queue run.
  void accepted(spool::StoredMessage stored, Envelope envelope, bool hold);
  // Makes a message of ours durable and queues it: a report on the message `reference`. The
  // envelope has its id; header section and body are in wire format. `made_id`: the value of the
  // Message-Id: that was made for it.
  Task<Result<void>> inject(Envelope envelope, std::string headers, std::string body,
                            std::string reference, std::string made_id);
  std::string received_of(const Envelope& envelope) const;
  // Of Message-Id: fields that are made here; problems are told.
  Task<acl::MessageIdWords> message_id_words();

  Task<Result<void>> inject_message(std::string sender, std::vector<std::string> recipients,
                                    std::string headers, std::string body,
                                    std::string reference) override;

  void run_queue(const QueueRun& run);

  // --- The operator's commands (-M...), with the name of who gives them, for the log. not_found
  // where the message is not here; locked where it is being delivered just now; already_exists
  // where there is nothing to change.
  // -M, or -Mc: as in a queue run, which leaves frozen messages and retry times alone.
  Result<void> deliver_now(const message::MessageId& id, bool forced);
  Result<void> freeze(const message::MessageId& id, std::string_view who);
  Result<void> thaw(const message::MessageId& id, std::string_view who);
  Result<void> remove(const message::MessageId& id, std::string_view who);
  // No address: all (-Mmad).
  Task<Result<void>> mark_delivered(message::MessageId id, std::string address, std::string who);
  Result<void> add_recipient(const message::MessageId& id, std::string_view address,
                             std::string_view who);
  // -MG: into the named queue, or the default one.
  Result<void> move(const message::MessageId& id, std::string_view queue_name);
  Result<void> set_sender(const message::MessageId& id, std::string_view sender,
                          std::string_view who);
  // Gives up: bounces what is left (-Mg).
  Task<Result<void>> give_up(message::MessageId id, std::string who);

  // Nothing new is begun; what is under way ends. join() completes when all of it has.
  void stop();
  void abort() { destinations_.abort(); }
  Task<void> join();

  bool has(const message::MessageId& id) const noexcept { return find(key_of(id)) != nullptr; }
  bool is_idle() const noexcept { return active_ == 0 && selecting_ == 0 && ready_.empty(); }
  QueueStats stats() const;
  size_t memory_bytes() const noexcept;

 private:
  friend class DeliveryAttempt;

  QueueEntry* find(const spool::MessageKey& key) const noexcept;
  QueueEntry& insert(spool::MessageKey key, spool::MessageRef ref);
  void erase(QueueEntry& entry);

  void make_ready(QueueEntry& entry);
  void wait_until(QueueEntry& entry, WallTime when);
  void take_out_of_waiting(QueueEntry& entry) noexcept;
  void start_due();
  // deliver_queue_load_max: true where what waits has to wait on.
  bool is_overloaded() const;
  void arm_timer();
  void fill();
  static bool is_held(const QueueEntry& entry);
  void release(QueueEntry& entry);
  struct RunItem {
    WallTime received;
    spool::MessageKey key;
  };
  // A look at every entry that takes many turns, while entries come and go.
  struct Walk {
    size_t at = 0;                           // the next slot of the table
    std::vector<spool::MessageKey> skipped;  // of entries that were moved back over `at`
    Walk* next = nullptr;
  };
  Task<std::vector<RunItem>> messages_of(const QueueRun& run);
  void choose(QueueEntry& entry, const QueueRun& run, std::vector<RunItem>& chosen);
  Task<void> take_run(QueueRun run);
  Task<void> take_all(const QueueRun& run, const std::vector<RunItem>& items);
  void tell_run(std::string_view what, const QueueRun& run, std::string_view why = {}) const;
  // A run that has not ended: it does when its last message was tried.
  struct OpenRun {
    QueueRun run;
    size_t left = 1;  // messages; and one while it chooses
  };
  void join_run(QueueEntry& entry, const QueueRun& run);
  void leave_run(uint32_t number);
  Task<void> run_matching(QueueRun run, std::vector<RunItem> items);
  Task<bool> matches(spool::MessageRef ref, const QueueRun& run);
  void take_into_run(QueueEntry& entry, const QueueRun& run);
  Task<void> attempt(QueueEntry& entry);
  Task<AttemptVerdict> frozen_attempt(QueueEntry& entry, DeliveryAttempt& work);
  void complete(QueueEntry& entry, std::string_view id);
  void set_frozen(QueueEntry& entry, bool frozen);
  void tell_still_frozen(const QueueEntry& entry) const;
  static void note_kind(QueueEntry& entry, std::string_view sender);
  // An entry on which nothing is under way.
  Result<QueueEntry*> quiet_entry(const message::MessageId& id) const;
  Task<Result<void>> load(QueueEntry& entry);
  void schedule_recovered(QueueEntry& entry);
  WallTime frozen_deadline(const QueueEntry& entry) const;

  // Binary heap of waiting entries by next_attempt.
  void heap_sift_up(size_t index) noexcept;
  void heap_sift_down(size_t index) noexcept;
  void heap_place(size_t index, QueueEntry* entry) noexcept;

  void grow_table();
  size_t table_slot(const spool::MessageKey& key) const noexcept;

  std::shared_ptr<const DeliveryConfig> config_;
  DeliveryServices services_;
  DestinationTable destinations_;
  retry::RetryKeeper keeper_;
  Scope scope_;
  TimerNode timer_;

  std::vector<QueueEntry*> table_;  // open addressing by key
  size_t count_ = 0;
  Walk* walks_ = nullptr;
  std::map<uint32_t, OpenRun> runs_;  // by number
  uint32_t last_run_ = 0;
  std::string login_;  // whose process this is
  std::vector<QueueEntry*> waiting_;
  std::deque<QueueEntry*> ready_;
  size_t active_ = 0;
  size_t selecting_ = 0;  // queue runs that look into messages
  size_t frozen_ = 0;
  uint64_t fresh_bytes_ = 0;
  bool started_ = false;
  bool stopping_ = false;
  bool filling_ = false;
  Later fill_later_;
  QueueStats stats_;
};

}  // namespace godwit::delivery
