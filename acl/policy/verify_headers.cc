#include "acl/policy/verify_headers.h"

#include "core/base/ascii.h"
#include "protocol/message/address_list.h"

#include <algorithm>
#include <array>

namespace godwit::acl {
namespace {

struct AddressField {
  std::string_view name;
  bool is_recipient;
};
constexpr auto kAddressFields = std::to_array<AddressField>({
    {"From", false},
    {"Reply-To", false},
    {"Sender", false},
    {"To", true},
    {"Cc", true},
    {"Bcc", true},
});

const AddressField* address_field(std::string_view name) {
  if (name.size() > 7 && equals_ignore_case(name.substr(0, 7), "Resent-")) name.remove_prefix(7);
  const auto row =
      std::find_if(kAddressFields.begin(), kAddressFields.end(),
                   [&](const AddressField& field) { return equals_ignore_case(field.name, name); });
  return row == kAddressFields.end() ? nullptr : &*row;
}

// The items of an address list, cut at commas and around groups, outside of quotes, comments and
// brackets: for saying which one is wrong.
std::vector<std::string_view> address_items(std::string_view body) {
  std::vector<std::string_view> out;
  size_t begin = 0;
  int comment = 0;
  bool quoted = false;
  bool bracket = false;
  const auto cut = [&](size_t end) {
    const std::string_view item = trim(body.substr(begin, end - begin));
    if (!item.empty()) out.push_back(item);
    begin = end + 1;
  };
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '\\') {
      ++i;
    } else if (quoted) {
      quoted = c != '"';
    } else if (c == '(' || (c == ')' && comment > 0)) {
      comment += c == '(' ? 1 : -1;
    } else if (comment > 0) {
      continue;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '<' || c == '>') {
      bracket = c == '<';
    } else if (c == ',' || c == ';') {
      cut(i);
    } else if (c == ':' && !bracket) {
      begin = i + 1;  // the name of a group
    }
  }
  if (begin < body.size()) cut(body.size());
  return out;
}

// Folding as blanks.
std::string unfolded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\r') continue;
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::vector<HeaderLine> header_lines(std::string_view headers) {
  std::vector<HeaderLine> out;
  while (!headers.empty()) {
    size_t end = headers.find('\n');
    while (end != std::string_view::npos && end + 1 < headers.size() && is_blank(headers[end + 1]))
      end = headers.find('\n', end + 1);
    const std::string_view line = headers.substr(0, end);
    headers = end == std::string_view::npos ? std::string_view() : headers.substr(end + 1);
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos)
      out.push_back({trim_right(line.substr(0, colon)), trim(line.substr(colon + 1))});
  }
  return out;
}

std::optional<std::string> bad_header_syntax(std::string_view headers, UnqualifiedAllowed allowed) {
  for (const HeaderLine& line : header_lines(headers)) {
    const AddressField* field = address_field(line.name);
    if (field == nullptr) continue;
    const bool may_lack_domain = field->is_recipient ? allowed.recipient : allowed.sender;
    const std::string body = unfolded(line.body);
    const std::vector<std::string_view> items = address_items(body);
    for (const std::string_view item : items) {
      const auto address = message::parse_address(item, message::Utf8::allowed, true);
      std::string problem;
      if (!address) {
        problem = address.error().detail();
      } else if (!address->has_domain && !address->address.empty() && !may_lack_domain) {
        problem = "unqualified address not permitted";
      }
      if (problem.empty()) continue;
      return problem + ": failing address in \"" + std::string(line.name) + ":\" header " +
             (item == items.back() ? "is: " : "begins: ") + std::string(item);
    }
  }
  return std::nullopt;
}

std::optional<std::string> bad_header_name(std::string_view headers) {
  for (const HeaderLine& line : header_lines(headers)) {
    const bool good =
        std::all_of(line.name.begin(), line.name.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (!good) return "Invalid character in header \"" + std::string(line.name) + "\" found";
  }
  return std::nullopt;
}

std::optional<std::string> blind_recipient(std::string_view headers,
                                           const std::vector<std::string>& recipients,
                                           bool ignore_case) {
  const auto plain = [&](std::string_view address) {
    const size_t at = address.rfind('@');
    std::string out(address.substr(0, at));
    if (ignore_case) out = to_lower(out);
    if (at != std::string_view::npos) out += to_lower(address.substr(at));
    return out;
  };
  std::vector<std::string> named;
  for (const HeaderLine& line : header_lines(headers)) {
    const AddressField* field = address_field(line.name);
    if (field == nullptr || (field->name != "To" && field->name != "Cc")) continue;
    const std::string body = unfolded(line.body);
    for (const std::string_view item : address_items(body)) {
      const auto address = message::parse_address(item, message::Utf8::allowed, true);
      if (address) named.push_back(plain(address->address));
    }
  }
  for (const std::string& recipient : recipients) {
    if (std::find(named.begin(), named.end(), plain(recipient)) == named.end())
      return "bcc recipient detected";
  }
  return std::nullopt;
}

std::vector<std::string> header_senders(std::string_view headers) {
  std::vector<std::string> out;
  constexpr std::string_view kNames[] = {"Sender", "Reply-To", "From"};
  for (const std::string_view name : kNames) {
    for (const HeaderLine& line : header_lines(headers)) {
      if (!equals_ignore_case(line.name, name)) continue;
      const std::string body = unfolded(line.body);
      for (const std::string_view item : address_items(body)) {
        const auto address = message::parse_address(item, message::Utf8::allowed, true);
        if (address && !address->address.empty()) out.push_back(address->address);
      }
    }
  }
  return out;
}

}  // namespace godwit::acl
