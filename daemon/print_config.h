// -bP: what the configuration says, in the forms that Exim prints it in. EXIM.md 4.1.
#pragma once

#include "daemon/server_config.h"

#include <string>
#include <vector>

namespace godwit::daemon {

// Prints what `words` ask for (all main options where there are none) to standard output. The exit
// status: 1 where a word means nothing. `admin` sees the values that are hidden.
int print_config(const ServerConfig& config, const std::vector<std::string>& words, bool admin);

}  // namespace godwit::daemon
