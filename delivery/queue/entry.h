// QueueEntry: all that is kept in memory of a message that waits; at most 300 bytes with what the
// store and the tables need. Everything else is read when the message is tried.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/spool/message.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

struct ActiveMessage;

// Whether a message is a bounce, which is seen when it is read.
enum class SeenAs : uint8_t { unknown, bounce, other };

// What deliveries have changed since the message was accepted. Rare: most messages are delivered
// at the first attempt and never have one.
struct Progress {
  std::vector<uint32_t> done;               // indexes of recipients that need nothing more; sorted
  std::vector<std::string> done_children;   // generated addresses that need nothing more; sorted
  std::vector<std::string> added;           // recipients that an operator added (-Mar)
  std::vector<std::string> header_domains;  // "old new": header lines get the new one
  std::string new_sender;                   // -Mes; "<>" for none
  std::string queue_name;                   // of a named queue
  std::string in_doubt_host;                // lost after the final dot: try it first
  WallTime frozen_at;                       // 0: not frozen
  uint8_t warnings_sent = 0;                // delay warnings
  bool released = false;                    // queue_only no longer holds
  bool manual_thaw = false;
  SeenAs seen_as = SeenAs::unknown;

  bool is_done(uint32_t recipient) const noexcept;
  void set_done(uint32_t recipient);
  bool is_child_done(std::string_view key) const noexcept;
  void set_child_done(std::string_view key);
};

struct QueueEntry {
  spool::MessageKey key;
  spool::MessageRef ref;
  WallTime received;
  WallTime next_attempt;  // INT64_MAX: not before a queue run
  std::unique_ptr<Progress> progress;
  ActiveMessage* active = nullptr;
  uint64_t message_bytes = 0;
  uint32_t heap_index = UINT32_MAX;  // in the heap of waiting messages
  uint32_t run = 0;                  // number of the queue run that waits for it; 0: none
  bool frozen = false;
  bool ready = false;          // in the list of those to be tried
  bool forced = false;         // try now whatever hints say
  bool in_run = false;         // chosen by a queue run: queue_only no longer holds it
  bool waits_for_run = false;  // some of its recipients do (queue_domains)
  bool tried = false;          // before: hints about recipients count

  std::string_view queue_name() const noexcept {
    return progress == nullptr ? std::string_view() : std::string_view(progress->queue_name);
  }
  Progress& need_progress() {
    if (progress == nullptr) progress = std::make_unique<Progress>();
    return *progress;
  }
};

// Changes to a message, as the payloads of spool updates.
enum class ChangeKind : uint8_t {
  done = 1,            // recipients
  schedule = 2,        // next attempt
  frozen = 3,          // since when; 0: thawed
  warned = 4,          // how many warnings
  released = 5,        // queue_only no longer holds
  sender = 6,          // new sender
  recipient = 7,       // added recipient
  in_doubt = 8,        // host
  child = 9,           // a generated address is done
  queue = 10,          // moved into a named queue
  header_domain = 11,  // "old new": of addresses in header lines
};

std::string encode_done(const std::vector<uint32_t>& recipients);
std::string encode_number(ChangeKind kind, int64_t value);
std::string encode_text(ChangeKind kind, std::string_view text);
// Applies a payload; malformed where it is none of ours.
Result<void> apply_change(QueueEntry& entry, std::string_view payload);

}  // namespace godwit::delivery
