#include "delivery/transport/answer_fields.h"

#include "core/base/ascii.h"
#include "protocol/message/address_list.h"
#include "protocol/message/header_scan.h"

#include <utility>

namespace godwit::delivery {
namespace {

// Where the item that begins at `begin` ends: at a comma outside of quotes, comments and brackets.
size_t item_end(std::string_view text, size_t begin) {
  bool is_quoted = false;
  int depth = 0;
  for (size_t at = begin; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') {
      ++at;
    } else if (c == '"') {
      is_quoted = !is_quoted;
    } else if (!is_quoted && (c == '(' || c == '<')) {
      ++depth;
    } else if (!is_quoted && (c == ')' || c == '>')) {
      --depth;
    } else if (!is_quoted && depth <= 0 && c == ',') {
      return at;
    }
  }
  return text.size();
}

bool is_never(const acl::ListPattern* never, std::string_view address, acl::EvalContext& context) {
  acl::ListSubject subject;
  subject.text = address;
  return never != nullptr && never->match(subject, context).match == acl::Match::yes;
}

// Without the item and the comma that parts it from the next or the last one.
void erase_item(const message::ListedAddress& item, std::string& text) {
  size_t begin = item.item_offset;
  size_t end = begin + item.item_bytes;
  const size_t next = text.find_first_not_of(" \t\r\n", end);
  if (next != std::string::npos && text[next] == ',') {
    end = std::min(text.find_first_not_of(" \t\r\n", next + 1), text.size());
  } else if (const size_t last = text.find_last_not_of(" \t\r\n", begin == 0 ? 0 : begin - 1);
             begin > 0 && last != std::string::npos && text[last] == ',') {
    begin = last;
  }
  text.erase(begin, end - begin);
}

// What of `list`, which is all of `text`, gets an answer.
AnswerList chosen(const message::AddressList& list, std::string text, std::string_view domain,
                  const acl::ListPattern* never, acl::EvalContext& context) {
  AnswerList out;
  for (size_t n = list.addresses.size(); n-- > 0;) {
    const message::ListedAddress& item = list.addresses[n];
    out.is_malformed = out.is_malformed || item.address.empty();
    if (item.address.empty()) continue;
    std::string address = item.address;
    if (!item.has_domain) address.append("@").append(domain);
    if (is_never(never, address, context)) {
      erase_item(item, text);
      continue;
    }
    if (!item.has_domain)
      text.insert(item.spec_offset + item.spec_bytes, "@" + std::string(domain));
    out.addresses.insert(out.addresses.begin(), std::move(address));
  }
  out.text = std::move(text);
  return out;
}

}  // namespace

AnswerList answer_list(std::string_view text, std::string_view domain,
                       const acl::ListPattern* never, acl::EvalContext& context) {
  if (trim(text).empty()) return {};
  const Result<message::AddressList> all =
      message::parse_address_list(text, message::Utf8::allowed);
  if (all) return chosen(*all, std::string(text), domain, never, context);
  AnswerList out;
  out.is_malformed = true;
  for (size_t at = 0; at < text.size();) {
    const size_t end = item_end(text, at);
    const std::string_view item = trim(text.substr(at, end - at));
    at = end + 1;
    const Result<message::AddressList> one =
        message::parse_address_list(item, message::Utf8::allowed);
    AnswerList kept;
    kept.text = item;
    if (one) kept = chosen(*one, std::string(item), domain, never, context);
    if (!trim(kept.text).empty()) out.text += (out.text.empty() ? "" : ", ") + kept.text;
    for (std::string& address : kept.addresses) out.addresses.push_back(std::move(address));
  }
  return out;
}

std::optional<int> unprintable_in(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    const bool folds = c == '\n' && (next == ' ' || next == '\t');
    if (c != '\t' && !folds && (c < ' ' || c > '~')) return c;
  }
  return std::nullopt;
}

MoreFields more_fields(std::string_view headers) {
  MoreFields out;
  if (headers.empty()) return out;
  std::string text;
  add_with_crlf(headers, text);
  message::HeaderScanner scanner({.header_bytes_max = 0, .received_max = 0});
  scanner.feed(text);
  scanner.finish();
  out.lines = text.substr(0, scanner.header_bytes());
  if (scanner.header_ended()) {
    const std::string_view rest = std::string_view(text).substr(scanner.body_offset());
    if (!rest.empty()) out.body = std::string(rest) + "\r\n";
  }
  out.has_from = scanner.has(message::FieldKind::from);
  out.has_date = scanner.has(message::FieldKind::date);
  return out;
}

void add_with_crlf(std::string_view text, std::string& out) {
  for (char c : text) {
    if (c == '\r') continue;
    if (c == '\n') out += '\r';
    out += c;
  }
  if (!out.ends_with('\n')) out += "\r\n";
}

}  // namespace godwit::delivery
