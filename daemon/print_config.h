// -bP: what the configuration says, in the forms that Exim prints it in. EXIM.md 4.1.
#pragma once

#include "daemon/command_line.h"
#include "daemon/server_config.h"

namespace godwit::daemon {

// Prints what the arguments ask for (all main options where there are none) to standard output,
// with -n without names. The exit status: 1 where a word means nothing. `admin` sees the values
// that are hidden.
int print_config(const ServerConfig& config, const CommandLine& line, bool admin);

}  // namespace godwit::daemon
