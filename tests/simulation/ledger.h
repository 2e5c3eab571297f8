// Ledger: what hosts got, by recipient of each message, and what the sender came to know of it.
// Messages carry their number in a header line; reports of ours carry it back.
#pragma once

#include "core/base/time.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::simulation {

// One recipient of one message that was submitted.
struct Fate {
  std::string address;
  unsigned copies = 0;    // how often a host took it
  unsigned untold = 0;    // of these: the sender never saw the answer
  unsigned failures = 0;  // reports of its failure that reached a mailbox
  unsigned delays = 0;    // warnings that did
  unsigned excused = 0;   // copies that a power cut explains
  WallTime last_taken;
};

class Ledger {
 public:
  // Gives the number of a new message.
  size_t add(const std::vector<std::string>& recipients) {
    std::vector<Fate>& fates = messages_.emplace_back();
    for (const std::string& address : recipients) fates.emplace_back().address = address;
    return messages_.size() - 1;
  }
  // The spool did not take it: nobody waits for it.
  void refuse(size_t message) { messages_[message].clear(); }
  // A host took `text` for `address`. Null where it is no message that was submitted.
  Fate* taken(std::string_view text, std::string_view address, WallTime now);
  // What was taken since then may be sent again: the spool forgets that it was.
  void excuse_since(WallTime then);

  const std::vector<std::vector<Fate>>& messages() const noexcept { return messages_; }

 private:
  Fate* find(size_t message, std::string_view address);

  std::vector<std::vector<Fate>> messages_;
};

}  // namespace godwit::simulation
