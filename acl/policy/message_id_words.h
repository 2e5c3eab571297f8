// message_id_header_domain and message_id_header_text: what stands on both sides of the "@" in a
// Message-ID: that this host makes. Used by: submissions, reports and other messages of our own.
#pragma once

#include "acl/expand/context.h"
#include "acl/policy/policy.h"

#include <string>
#include <vector>

namespace godwit::acl {

struct MessageIdWords {
  std::string domain;  // the name of the host where the option says nothing
  std::string text;
  std::vector<std::string> problems;  // for the panic log
};

// May wait on the current fiber. What cannot stand in a Message-ID: becomes "-".
MessageIdWords message_id_words(const CompiledPolicy& policy, EvalContext& context);

}  // namespace godwit::acl
