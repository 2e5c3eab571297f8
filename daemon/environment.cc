#include "daemon/environment.h"

#include "core/base/ascii.h"
#include "core/config/values.h"

#include <cstdlib>
#include <ctime>
#include <utility>

extern char** environ;

namespace godwit::daemon {
namespace {

std::vector<std::string> names_here() {
  std::vector<std::string> names;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

}  // namespace

KeptVariables::KeptVariables(std::string_view list) {
  for (const std::string& whole : config::split_list(list)) {
    Item& item = items_.emplace_back();
    std::string_view text = whole;
    item.negated = text.starts_with('!');
    if (item.negated) text = trim_left(text.substr(1));
    item.text = text;
    if (!text.starts_with('^')) continue;
    Result<acl::Regex> pattern = acl::Regex::compile(text, false);
    if (pattern) item.pattern = std::move(*pattern);
  }
}

bool KeptVariables::Item::matches(std::string_view name) const {
  if (pattern) return pattern->search(name).value_or(false);
  if (text.starts_with('*')) return name.ends_with(std::string_view(text).substr(1));
  return text == name;
}

bool KeptVariables::keeps(std::string_view name) const {
  for (const Item& item : items_) {
    if (item.matches(name)) return !item.negated;
  }
  // A list that ends with an exception means everything else.
  return !items_.empty() && items_.back().negated;
}

void clean_environment(const ServerConfig& config) {
  const KeptVariables kept(config.options().keep_environment);
  for (const std::string& name : names_here()) {
    if (!kept.keeps(name)) ::unsetenv(name.c_str());
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
