// message_id_header_domain and message_id_header_text: what stands on both sides of the "@" in a
// Message-ID: that this host makes.
#pragma once

#include "acl/expand/context.h"
#include "acl/policy/policy.h"

#include <string>
#include <vector>

namespace godwit::daemon {

struct MessageIdWords {
  std::string domain;  // the name of the host where the option says nothing
  std::string text;
  std::vector<std::string> problems;  // for the panic log
};

// May wait on the current fiber. What cannot stand in a Message-ID: becomes "-".
MessageIdWords message_id_words(const acl::CompiledPolicy& policy, acl::EvalContext& context);

}  // namespace godwit::daemon
