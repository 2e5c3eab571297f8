// Reconciliation: joins the ledgers of source and sink by token and recipient. A delivery is one
// recipient of one message, however the transactions were split or joined on the way.
#pragma once

#include "bench/ledger/ledger.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::bench {

struct Reconciliation {
  uint64_t sent_messages = 0;        // lines of the source
  uint64_t accepted = 0;             // deliveries that the source's server answered with 250
  uint64_t deferred = 0;             // ... with 4xx
  uint64_t refused = 0;              // ... with 5xx
  uint64_t unknown = 0;              // no answer to the end of the message
  uint64_t received = 0;             // deliveries that the sink took, each time
  uint64_t lost = 0;                 // accepted, never received
  uint64_t duplicated = 0;           // received again; counts the repetitions
  uint64_t truncated = 0;            // messages whose body was too short
  uint64_t corrupt = 0;              // messages with a body too long or with a wrong checksum
  uint64_t reordered = 0;            // accepted messages received after a later one of its session
  uint64_t unknown_received = 0;     // of the unknown ones
  uint64_t refused_received = 0;     // answered with 4xx or 5xx, and received all the same
  uint64_t foreign = 0;              // messages without a token, or that no source line names
  uint64_t bad_lines = 0;            // of either ledger, but a last line that is cut
  std::vector<std::string> samples;  // the first few lost, truncated or corrupt ones, for people

  bool is_sound() const noexcept {
    return lost == 0 && truncated == 0 && corrupt == 0 && bad_lines == 0;
  }
  std::string to_text() const;
  std::string to_json() const;
};

// `source` and `sink` are whole ledgers. A last line without its end is left out: its writer was
// killed.
Reconciliation reconcile(std::string_view source, std::string_view sink);

}  // namespace godwit::bench
