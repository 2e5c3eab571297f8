#include "delivery/route/redirect_list.h"

#include "core/base/ascii.h"
#include "protocol/message/address_list.h"

#include <algorithm>
#include <array>

namespace godwit::delivery {
namespace {

struct SpecialRow {
  std::string_view name;
  RedirectSpecial special;
};
constexpr std::array kSpecials{
    SpecialRow{":blackhole:", RedirectSpecial::blackhole},
    SpecialRow{":defer:", RedirectSpecial::defer},
    SpecialRow{":fail:", RedirectSpecial::fail},
    SpecialRow{":unknown:", RedirectSpecial::unknown},
};
constexpr std::string_view kInclude = ":include:";

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Blanks, separators and comments before an item.
std::string_view skip_to_item(std::string_view text) {
  for (;;) {
    while (!text.empty() && (is_blank(text.front()) || text.front() == ',')) text.remove_prefix(1);
    if (!text.starts_with('#')) return text;
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
}

// Where an item ends: at a comma or a line end that is in no quotes, comment or <...>.
size_t item_end(std::string_view text) {
  bool quoted = false;
  bool in_angles = false;
  int comment = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') {
      ++at;
    } else if (c == '\n') {
      return at;
    } else if (quoted) {
      quoted = c != '"';
    } else if (c == '(') {
      ++comment;
    } else if (comment > 0) {
      if (c == ')') --comment;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '<') {
      in_angles = true;
    } else if (c == '>') {
      in_angles = false;
    } else if (c == ',' && !in_angles) {
      return at;
    }
  }
  return text.size();
}

bool is_whole_quoted(std::string_view item) noexcept {
  return item.size() > 1 && item.front() == '"' && item.back() == '"' &&
         item.substr(1, item.size() - 2).find("\"@") == std::string_view::npos;
}

// An item that is a path or a command unless it is an address with a domain.
RedirectItem local_item(std::string_view text) {
  RedirectItem item;
  const Result<message::ListedAddress> address =
      message::parse_address(text, message::Utf8::allowed, false);
  if (address && address->has_domain) {
    item.text = address->address;
    item.has_domain = true;
    return item;
  }
  if (text.front() == '|') {
    item.kind = RedirectItemKind::pipe;
    item.text = trim(text.substr(1));
    return item;
  }
  item.kind = text.ends_with('/') ? RedirectItemKind::directory : RedirectItemKind::file;
  item.text = text;
  return item;
}

RedirectItem address_item(std::string_view text) {
  RedirectItem item;
  std::string_view spec = text;
  if (spec.starts_with('\\') && spec.size() > 1) spec.remove_prefix(1);
  const Result<message::ListedAddress> address =
      message::parse_address(spec, message::Utf8::allowed, false);
  if (!address) {
    item.kind = RedirectItemKind::problem;
    item.text = text;
    item.problem = address.error().detail() + " in \"" + std::string(text) + "\"";
    return item;
  }
  item.text = address->address;
  item.has_domain = address->has_domain;
  item.escaped = spec.size() != text.size() && !address->has_domain;
  return item;
}

RedirectItem read_item(std::string_view text) {
  if (is_whole_quoted(text)) text = trim(text.substr(1, text.size() - 2));
  if (starts_with_ignore_case(text, kInclude)) {
    RedirectItem item;
    item.kind = RedirectItemKind::include;
    item.text = trim(text.substr(kInclude.size()));
    return item;
  }
  if (text.starts_with('|') || text.starts_with('/')) return local_item(text);
  return address_item(text);
}

}  // namespace

std::string_view redirect_special_name(RedirectSpecial special) noexcept {
  for (const SpecialRow& row : kSpecials) {
    if (row.special == special) return row.name;
  }
  return "";
}

RedirectList parse_redirect_list(std::string_view text) {
  RedirectList list;
  while (!(text = skip_to_item(text)).empty()) {
    for (const SpecialRow& row : kSpecials) {
      if (!starts_with_ignore_case(text, row.name)) continue;
      list.special = row.special;
      const std::string_view rest = text.substr(row.name.size());
      list.message = trim(rest.substr(0, std::min(rest.find('\n'), rest.size())));
      return list;
    }
    if (list.items.size() >= kRedirectItemsMax) break;
    const size_t end = std::min(item_end(text), text.size());
    const std::string_view item = trim(text.substr(0, end));
    if (!item.empty()) list.items.push_back(read_item(item));
    text.remove_prefix(end);
  }
  return list;
}

}  // namespace godwit::delivery
