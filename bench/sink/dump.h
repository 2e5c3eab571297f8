// Dump: writes messages to files in Postfix's format: headers that tell of the transaction, the
// message with LF line ends, an empty line.
#pragma once

#include "bench/sink/dialogue.h"
#include "core/base/time.h"

namespace godwit::bench {

// Writes the message as the options ask: a file of its own (-d), or appended (-D).
Result<void> dump_message(const SinkOptions& options, const TakenMessage& message, Random& random,
                          WallTime now);

}  // namespace godwit::bench
