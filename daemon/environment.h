// keep_environment and add_environment: what is left of the environment that this program was
// started with, for itself and for the programs that it runs. EXIM.md 2.
#pragma once

#include "acl/expand/regex.h"
#include "daemon/server_config.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

// keep_environment: names, `*`, `*suffix`, regular expressions, each with `!` before it for the
// opposite. Nothing is kept where nothing matches.
class KeptVariables {
 public:
  explicit KeptVariables(std::string_view list);
  bool keeps(std::string_view name) const;

 private:
  struct Item {
    std::string text;
    std::optional<acl::Regex> pattern;
    bool negated = false;

    bool matches(std::string_view name) const;
  };

  std::vector<Item> items_;
};

// Before anything is started. What add_environment names is text, not expanded.
void clean_environment(const ServerConfig& config);

}  // namespace godwit::daemon
