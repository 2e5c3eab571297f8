#include "daemon/environment.h"

#include "acl/expand/regex.h"
#include "core/base/ascii.h"
#include "core/config/values.h"

#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

extern char** environ;

namespace godwit::daemon {
namespace {

bool matches(std::string_view item, std::string_view name) {
  if (item.starts_with('^')) {
    const Result<acl::Regex> regex = acl::Regex::compile(item, false);
    if (!regex) return false;
    const Result<bool> found = regex->search(name);
    return found && *found;
  }
  if (item.starts_with('*')) return name.ends_with(item.substr(1));
  return item == name;
}

std::vector<std::string> names_here() {
  std::vector<std::string> names;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

}  // namespace

bool keeps_variable(std::string_view list, std::string_view name) {
  bool last_negated = false;
  for (const std::string& whole : config::split_list(list)) {
    std::string_view item = whole;
    last_negated = item.starts_with('!');
    if (last_negated) item = trim_left(item.substr(1));
    if (matches(item, name)) return !last_negated;
  }
  // A list that ends with an exception means everything else.
  return last_negated;
}

void clean_environment(const ServerConfig& config) {
  for (const std::string& name : names_here()) {
    if (!keeps_variable(config.options().keep_environment, name)) ::unsetenv(name.c_str());
  }
  for (const std::string& item : config::split_list(config.options().add_environment.text.view())) {
    const size_t equals = item.find('=');
    if (equals == 0 || equals == std::string::npos) continue;
    ::setenv(item.substr(0, equals).c_str(), item.substr(equals + 1).c_str(), 1);
  }
  // Times in logs and messages are those of this zone; unset: of the system's.
  if (!config.options().timezone.empty()) ::setenv("TZ", config.options().timezone.c_str(), 1);
  ::tzset();
}

}  // namespace godwit::daemon
