// Rewriting rules applied to a whole message as it arrives, by SMTP or from the command line.
#pragma once

#include "acl/expand/context.h"
#include "delivery/rewrite/rewrite.h"

#include <string>
#include <vector>

namespace godwit::daemon {

struct RewrittenMessage {
  std::string sender;  // empty: none, which is never rewritten
  std::vector<std::string> recipients;
  std::string headers;  // the header section, in wire format
  bool headers_changed = false;
  std::vector<std::string> problems;  // for the panic log
};

// Rewrites `message` in place: the sender first, then recipients and header lines. What could not
// be done is returned. May wait on the current fiber.
std::vector<std::string> rewrite_message(const rewrite::RewriteRules& rules,
                                         acl::EvalContext& context, RewrittenMessage& message);

}  // namespace godwit::daemon
