#include "acl/policy/message_id_words.h"

#include "core/base/ascii.h"

namespace godwit::acl {
namespace {

bool stands_in_domain(char c) {
  return is_alnum(c) || c == '.';
}

// RFC 5322 3.2.3: a dot-atom has no specials.
bool stands_in_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  constexpr std::string_view kSpecials = "()<>@,;:\\\"[] ";
  return byte > 0x20 && byte != 0x7f && kSpecials.find(c) == std::string_view::npos;
}

}  // namespace

MessageIdWords message_id_words(const CompiledPolicy& policy, EvalContext& context) {
  MessageIdWords words;
  const auto expand = [&](const char* option, bool (*stands)(char), std::string& out) {
    EvalResult value = policy.expansion(option).evaluate(context);
    if (value.status == EvalStatus::forced_fail || (value.ok() && value.text.empty())) return;
    if (!value.ok()) {
      words.problems.push_back(std::string("failed to expand ") + option + ": " + value.text);
      return;
    }
    for (char& c : value.text) {
      if (!stands(c)) c = '-';
    }
    out = std::move(value.text);
  };
  if (context.server != nullptr) words.domain = context.server->primary_hostname;
  expand("message_id_header_domain", stands_in_domain, words.domain);
  expand("message_id_header_text", stands_in_text, words.text);
  return words;
}

}  // namespace godwit::acl
