#include "delivery/transport/header_changes.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "protocol/message/header_fields.h"

#include <algorithm>

namespace godwit::delivery {
namespace {

bool matches(std::string_view name, std::string_view wanted) {
  if (wanted.ends_with(':')) wanted.remove_suffix(1);
  if (wanted.ends_with('*')) {
    wanted.remove_suffix(1);
    return starts_with_ignore_case(name, wanted);
  }
  return equals_ignore_case(name, wanted);
}

// Every line ends in CRLF; empty lines, which would end the section, are left out.
void append_fields(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (trim(line).empty()) continue;
    out += line;
    out += "\r\n";
  }
}

}  // namespace

std::string change_headers(std::string_view section, const HeaderChanges& changes) {
  std::vector<std::string> removed;
  for (const std::string& list : changes.remove) {
    for (std::string& name : config::split_list(list)) {
      if (!name.empty()) removed.push_back(std::move(name));
    }
  }
  std::string out;
  out.reserve(section.size() + 256);
  while (!section.empty()) {
    const std::string_view field = section.substr(0, message::field_bytes(section));
    section.remove_prefix(field.size());
    const std::string_view name = trim_right(field.substr(0, field.find(':')));
    const bool goes = std::any_of(removed.begin(), removed.end(),
                                  [&](std::string_view wanted) { return matches(name, wanted); });
    if (!goes) out += field;
  }
  for (const std::string& text : changes.add) append_fields(out, text);
  return out;
}

}  // namespace godwit::delivery
