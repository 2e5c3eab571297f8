#include "daemon/arrival_fields.h"

#include "acl/expand/text_encoding.h"
#include "core/base/ascii.h"

namespace godwit::daemon {
namespace {

// The value of Message-Id:, without brackets, for id= of the arrival line.
std::string message_id_value(const ArrivalFacts& facts) {
  for (const message::FieldPlace& field : facts.fields) {
    if (field.kind != message::FieldKind::message_id) continue;
    std::string_view text = facts.head.substr(field.offset, field.bytes);
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return {};
    text = trim(text.substr(colon + 1));
    if (text.starts_with('<')) text.remove_prefix(1);
    return std::string(text.substr(0, text.find_first_of(">\r\n")));
  }
  return {};
}

// T="..." of the arrival line: the decoded text of Subject:, quotes and backslashes escaped.
std::string subject_text(const ArrivalFacts& facts) {
  for (const message::FieldPlace& field : facts.fields) {
    std::string_view text = facts.head.substr(field.offset, field.bytes);
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos ||
        !equals_ignore_case(trim(text.substr(0, colon)), "subject"))
      continue;
    std::string out = " T=\"";
    std::string value(trim(text.substr(colon + 1)));
    std::erase(value, '\r');
    for (const char c : acl::decode_words(value, {}, false)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + '"';
  }
  return {};
}

}  // namespace

std::string arrival_fields(const ArrivalFacts& facts, const config::LogSelectors& selectors) {
  using config::LogSelector;
  std::string out;
  const bool shows_id =
      selectors.has(facts.made_message_id ? LogSelector::msg_id_created : LogSelector::msg_id);
  const std::string id = shows_id ? message_id_value(facts) : std::string();
  if (!id.empty()) out += (facts.made_message_id ? " id*=" : " id=") + id;
  if (selectors.has(LogSelector::subject)) out += subject_text(facts);
  if (selectors.has(LogSelector::received_sender))
    out += " from <" + std::string(facts.sender) + ">";
  if (selectors.has(LogSelector::received_recipients)) {
    out += " for";
    for (const EnvelopeRecipient& recipient : facts.recipients) out += " " + recipient.address;
  }
  return out;
}

}  // namespace godwit::daemon
