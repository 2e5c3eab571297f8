#include "acl/expand/json.h"

#include "core/base/ascii.h"

namespace godwit::acl {
namespace {

// The end of the string that begins at the quote at `at`, after its closing quote.
size_t string_end(std::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

}  // namespace

std::optional<std::string_view> json_inside(std::string_view text, char open, char close) {
  text = trim(text);
  if (text.size() < 2 || text.front() != open || text.back() != close) return std::nullopt;
  return text.substr(1, text.size() - 2);
}

bool next_json_element(std::string_view& rest, std::string_view& element) {
  rest = trim_left(rest);
  if (rest.empty()) return false;
  int depth = 0;
  size_t at = 0;
  while (at < rest.size()) {
    const char c = rest[at];
    if (c == '"') {
      at = string_end(rest, at);
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c == ',' && depth == 0) break;
    ++at;
  }
  element = trim(rest.substr(0, at));
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return true;
}

bool split_json_member(std::string_view member, std::string_view& key, std::string_view& value) {
  if (!member.starts_with('"')) return false;
  const size_t end = string_end(member, 0);
  if (end < 2) return false;
  key = member.substr(1, end - 2);
  const std::string_view rest = trim_left(member.substr(end));
  if (!rest.starts_with(':')) return false;
  value = trim(rest.substr(1));
  return true;
}

std::optional<std::string_view> json_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::nullopt;
  return value.substr(1, value.size() - 2);
}

}  // namespace godwit::acl
