// "From user date" lines before a message: what uucp_from_pattern has is such a line, and
// uucp_from_sender makes an address of it (EXIM.md 4.1).
#pragma once

#include "acl/expand/regex.h"
#include "acl/policy/policy.h"
#include "protocol/message/from_lines.h"

#include <optional>
#include <string>

namespace godwit::daemon {

class FromLinePattern final : public message::LineMatcher {
 public:
  // The pattern was checked when the configuration was loaded.
  explicit FromLinePattern(const std::string& pattern);

  bool matches(std::string_view line) const override { return captures(line).has_value(); }
  // $0 $1 ... of a line that matches.
  std::optional<acl::Captures> captures(std::string_view line) const;

 private:
  std::optional<acl::Regex> regex_;
};

// What uucp_from_sender makes of `line`; an Error where it cannot be expanded. May wait on the
// current fiber.
Result<std::string> from_line_sender(const acl::CompiledPolicy& policy,
                                     const FromLinePattern& pattern, std::string_view line,
                                     acl::EvalContext& context);

}  // namespace godwit::daemon
