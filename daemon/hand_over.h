// What becomes of a message that a command has put into the spool: a daemon takes it over, this
// process delivers it, or it waits for a queue run. Used by: -bm, -t, -bs, -bS.
#pragma once

#include "daemon/commands.h"

#include <string>

namespace godwit::daemon {

// Whether what is submitted here waits for a queue run. -odb and -odi override queue_only and
// queue_only_file, as far as queue_only_override lets them.
bool is_queue_only(const CommandLine& line, const ServerConfig& config);

// After the message is on disk in `shard`. Gives the exit status of the command.
int hand_over(const CommandLine& line, const ConfigPointer& config, const std::string& shard,
              DeliveryMode mode);

}  // namespace godwit::daemon
