// keep_environment and add_environment: what is left of the environment that this program was
// started with, for itself and for the programs that it runs. EXIM.md 2.
#pragma once

#include "daemon/server_config.h"

#include <string_view>

namespace godwit::daemon {

// Whether keep_environment = `list` keeps a variable of this name: names, `*`, `*suffix`, regular
// expressions, each with `!` before it for the opposite. Nothing is kept where nothing matches.
bool keeps_variable(std::string_view list, std::string_view name);

// Before anything is started. What add_environment names is text, not expanded.
void clean_environment(const ServerConfig& config);

}  // namespace godwit::daemon
