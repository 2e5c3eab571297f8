#include "daemon/from_line.h"

#include <utility>

namespace godwit::daemon {

FromLinePattern::FromLinePattern(const std::string& pattern) {
  if (pattern.empty()) return;
  Result<acl::Regex> compiled = acl::Regex::compile(pattern, false);
  if (compiled) regex_ = std::move(*compiled);
}

std::optional<acl::Captures> FromLinePattern::captures(std::string_view line) const {
  if (!regex_) return std::nullopt;
  acl::Captures out;
  const Result<bool> found = regex_->search(line, &out);
  if (!found || !*found) return std::nullopt;
  return out;
}

Result<std::string> from_line_sender(const acl::CompiledPolicy& policy,
                                     const FromLinePattern& pattern, std::string_view line,
                                     acl::EvalContext& context) {
  context.captures = pattern.captures(line).value_or(acl::Captures());
  context.captures_tainted = true;
  acl::EvalResult sender = policy.expansion("uucp_from_sender").evaluate(context);
  if (sender.ok()) return std::move(sender.text);
  return Error(Errc::config, "expansion of \"" + policy.options().uucp_from_sender.text.text() +
                                 "\" failed after matching \"From \" line: " + sender.text);
}

}  // namespace godwit::daemon
