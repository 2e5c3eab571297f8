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
  rewrite::RewriteNotes notes;
};

// Rewrites `message` in place: recipients, sender, header lines, and tells of it in its notes. May
// wait on the current fiber.
void rewrite_message(const rewrite::RewriteRules& rules, acl::EvalContext& context,
                     RewrittenMessage& message);

}  // namespace godwit::daemon
