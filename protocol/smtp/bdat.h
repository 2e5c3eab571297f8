// BdatState: the whole state of CHUNKING (RFC 3030) in one small machine. It knows how many octets
// of a chunk are still to come, and which commands may follow. It sees no other state of the
// session and holds no bytes.
#pragma once

#include "protocol/smtp/reply.h"
#include "protocol/smtp/verbs.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace godwit::smtp {

struct BdatArgument {
  uint64_t bytes = 0;
  bool last = false;
};
enum class BdatSyntax : uint8_t { good, no_size, zero_size, too_big };
// "1000", "1000 LAST", "0 LAST".
BdatSyntax parse_bdat(std::string_view argument, BdatArgument& result) noexcept;

class BdatState {
 public:
  enum class Phase : uint8_t {
    idle,     // no BDAT of this message yet
    chunk,    // octets are to come; every byte of input is one of them
    between,  // a chunk that was not the last is complete: BDAT, RSET, NOOP or QUIT
    ended,    // LAST is complete; the message waits for its answer
    failed,   // refused: octets are read and dropped, then only RSET or QUIT
  };

  // Starts a chunk. Legal in idle, between and failed (where its octets are dropped).
  void start(const BdatArgument& argument) noexcept;
  // Octets of the chunk at the start of `bytes`. After it, `chunk_done()` may be true.
  std::string_view take(std::string_view bytes) noexcept;
  // The message cannot be accepted any more; octets still to come are dropped.
  void fail() noexcept;
  void reset() noexcept { *this = BdatState(); }

  // What a command other than BDAT is answered with, or nothing where it may go on. A refused
  // command puts the machine into `failed`.
  bool refuses(Verb verb, ReplyId& reply) noexcept;

  Phase phase() const noexcept { return phase_; }
  bool takes_octets() const noexcept { return octets_left_ != 0; }
  bool is_failed() const noexcept { return failed_; }
  bool is_active() const noexcept { return phase_ != Phase::idle; }
  bool is_last() const noexcept { return last_; }
  uint64_t chunk_bytes() const noexcept { return chunk_bytes_; }
  uint64_t total_bytes() const noexcept { return total_bytes_; }

 private:
  void finish_chunk() noexcept;

  Phase phase_ = Phase::idle;
  bool last_ = false;
  bool failed_ = false;
  uint64_t octets_left_ = 0;
  uint64_t chunk_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace godwit::smtp
