#include "daemon/header_edits.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <utility>

namespace godwit::daemon {

using Position = acl::HeaderAddition::Position;

void append_with_crlf(std::string_view text, std::string& out) {
  for (char c : text) {
    if (c == '\n' && !out.ends_with('\r')) out += '\r';
    out += c;
  }
}

void HeaderEdits::take(acl::AclEffects& effects) {
  for (acl::HeaderAddition& addition : effects.headers_added) added_.push_back(std::move(addition));
  for (std::string& name : effects.headers_removed) {
    if (!name.starts_with('^')) {
      removed_names_.push_back(std::move(name));
    } else if (Result<acl::Regex> pattern = acl::Regex::compile(name, true)) {
      removed_patterns_.push_back(std::move(*pattern));
    }
  }
}

void HeaderEdits::clear() {
  added_.clear();
  removed_names_.clear();
  removed_patterns_.clear();
}

bool HeaderEdits::removes(std::string_view name) const {
  const auto is_named = [&](const std::string& wanted) { return equals_ignore_case(wanted, name); };
  const auto matches = [&](const acl::Regex& pattern) {
    return pattern.search(name).value_or(false);
  };
  return std::any_of(removed_names_.begin(), removed_names_.end(), is_named) ||
         std::any_of(removed_patterns_.begin(), removed_patterns_.end(), matches);
}

void HeaderEdits::add_line(const acl::HeaderAddition& addition, std::string& out) {
  append_with_crlf(addition.text, out);
  if (!out.ends_with('\n')) out += "\r\n";
}

// At the end in the order in which they were added; elsewhere each before the one that came before
// it, as Exim puts them.
void HeaderEdits::add(Position position, std::string& out) const {
  if (position == Position::at_end) {
    for (const acl::HeaderAddition& addition : added_)
      if (addition.position == position) add_line(addition, out);
    return;
  }
  for (auto addition = added_.rbegin(); addition != added_.rend(); ++addition)
    if (addition->position == position) add_line(*addition, out);
}

std::string HeaderEdits::apply(std::string received, std::string_view head,
                               std::span<const message::FieldPlace> fields) const {
  std::string out;
  out.reserve(received.size() + head.size() + 64);
  add(Position::at_start, out);
  out += received;
  bool in_received = true;  // in the block of Received: lines at the top
  bool in_trace = true;     // in Received: and Resent-...: lines
  const auto leave = [&](bool& inside, Position position) {
    if (std::exchange(inside, false)) add(position, out);
  };
  uint64_t copied = 0;  // of head
  for (const message::FieldPlace& field : fields) {
    out += head.substr(copied, field.offset - copied);
    copied = field.offset + field.bytes;
    const std::string_view text = head.substr(field.offset, field.bytes);
    const std::string_view name = text.substr(0, field.name_bytes);
    const bool is_received = field.kind == message::FieldKind::received;
    if (!is_received) leave(in_received, Position::after_received);
    if (!is_received && !starts_with_ignore_case(name, "resent-"))
      leave(in_trace, Position::before_other_headers);
    if (!removes(name)) out += text;
  }
  out += head.substr(std::min<uint64_t>(copied, head.size()));
  leave(in_received, Position::after_received);
  leave(in_trace, Position::before_other_headers);
  add(Position::at_end, out);
  return out;
}

}  // namespace godwit::daemon
