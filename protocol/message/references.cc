#include "protocol/message/references.h"

#include "core/base/ascii.h"
#include "protocol/message/header_fields.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace godwit::message {
namespace {

// The body of the first field of that name.
std::optional<std::string_view> body_of(std::string_view headers, std::string_view name) {
  while (!headers.empty()) {
    const std::string_view field = headers.substr(0, field_bytes(headers));
    if (field.empty()) break;
    const size_t colon = field.find(':');
    if (colon != std::string_view::npos && equals_ignore_case(trim(field.substr(0, colon)), name))
      return field.substr(colon + 1);
    headers.remove_prefix(field.size());
  }
  return std::nullopt;
}

void skip_blanks_and_comments(std::string_view& text) {
  int depth = 0;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '(') ++depth;
    const bool is_skipped = depth > 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!is_skipped) break;
    if (c == '\\' && depth > 0) ++at;
    if (c == ')') --depth;
  }
  text.remove_prefix(std::min(at, text.size()));
}

// Up to the first thing that is none.
std::vector<std::string_view> ids_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (;;) {
    skip_blanks_and_comments(text);
    if (text.empty() || text.front() != '<') return out;
    const std::string_view id = text.substr(0, text.find('>') + 1);
    const size_t at = id.find('@');
    const bool is_id = at != std::string_view::npos && at > 1 && at + 2 < id.size() &&
                       id.find_first_of(" \t\r\n<", 1) == std::string_view::npos;
    if (!is_id) return out;
    out.push_back(id);
    text.remove_prefix(id.size());
  }
}

}  // namespace

std::string references_to(std::string_view headers, std::string_view own) {
  std::optional<std::string_view> body = body_of(headers, "references");
  if (!body) body = body_of(headers, "in-reply-to");
  const std::vector<std::string_view> ids = ids_of(body.value_or(std::string_view()));
  // The last ones that there is room for, and the first.
  const bool has_first = !ids.empty() && ids.front().size() + own.size() < kReferencesBytesMax;
  size_t bytes = own.size() + (has_first ? ids.front().size() + 1 : 0);
  size_t from = ids.size();
  while (from > 1 && ids.size() - from + 1 < kReferencesMax &&
         bytes + ids[from - 1].size() < kReferencesBytesMax)
    bytes += ids[--from].size() + 1;
  std::string out;
  const auto add = [&out](std::string_view id) {
    if (!out.empty() && !id.empty()) out += ' ';
    out += id;
  };
  if (has_first) add(ids.front());
  for (size_t i = std::max<size_t>(from, 1); i < ids.size(); ++i) add(ids[i]);
  add(own);
  return out;
}

}  // namespace godwit::message
