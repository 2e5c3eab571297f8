// A message on standard input, read as far as it may go. Used by: -bm, -t.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::daemon {

struct InputLimits {
  Seconds timeout;         // receive_timeout; 0: none
  uint64_t bytes_max = 0;  // message_size_limit; 0: none
  bool dot_ends = true;    // a line of one dot ends the message
};

// Until the end of the input or of the message; never much more than `bytes_max` is held, and what
// follows it is not read. Errors: timed_out, and what a read answers.
Result<std::string> read_standard_input(const InputLimits& limits);

// Where a line of one dot begins at or behind `from`; npos where there is none.
size_t find_end_dot(std::string_view input, size_t from);

}  // namespace godwit::daemon
