#include "daemon/header_edits.h"

#include "core/base/ascii.h"
#include "protocol/message/line_ends.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace godwit::daemon {

namespace {

constexpr size_t kRejectedRecipientsShown = 5;

}  // namespace

using Position = acl::HeaderAddition::Position;

class HeaderEdits::Section {
 public:
  Section(bool is_lettered, size_t bytes) : is_lettered_(is_lettered) { out_.reserve(bytes); }

  // One field or several, with their line ends.
  void put(std::string_view fields, bool is_removed) {
    if (!is_lettered_ && !is_removed) out_ += fields;
    while (is_lettered_ && !fields.empty()) {
      const std::string_view field = fields.substr(0, message::field_bytes(fields));
      fields.remove_prefix(field.size());
      const std::string_view name = trim_right(field.substr(0, field.find(':')));
      out_ += is_removed ? '*' : message::field_letter(name);
      out_ += ' ';
      // The lines of the log end in LF alone.
      for (const char c : field) {
        if (c != '\r') out_ += c;
      }
      if (!field.ends_with('\n')) out_ += '\n';
    }
  }
  // As an ACL wrote it.
  void add(std::string_view text) {
    std::string line;
    message::append_with_crlf(text, line);
    if (!line.ends_with('\n')) line += "\r\n";
    put(line, false);
  }
  std::string take() { return std::move(out_); }

 private:
  bool is_lettered_;
  std::string out_;
};

void HeaderEdits::take(acl::AclEffects& effects) {
  Removals removed;
  for (std::string& name : effects.headers_removed) {
    if (!name.starts_with('^')) {
      removed.names.push_back(std::move(name));
    } else if (Result<acl::Regex> pattern = acl::Regex::compile(name, true)) {
      removed.patterns.push_back(std::move(*pattern));
    }
  }
  const auto end_of_merged = added_.begin() + static_cast<ptrdiff_t>(merged_);
  const auto is_removed = [&](const acl::HeaderAddition& addition) {
    return removed.has(trim_right(addition.text.substr(0, addition.text.find(':'))));
  };
  const auto kept = std::remove_if(added_.begin(), end_of_merged, is_removed);
  merged_ = static_cast<size_t>(kept - added_.begin());
  added_.erase(kept, end_of_merged);
  std::move(effects.headers_added.begin(), effects.headers_added.end(), std::back_inserter(added_));
  std::move(removed.names.begin(), removed.names.end(), std::back_inserter(removed_.names));
  std::move(removed.patterns.begin(), removed.patterns.end(),
            std::back_inserter(removed_.patterns));
}

void HeaderEdits::clear() {
  *this = HeaderEdits();
}

bool HeaderEdits::Removals::has(std::string_view name) const {
  const auto is_named = [&](const std::string& wanted) { return equals_ignore_case(wanted, name); };
  const auto matches = [&](const acl::Regex& pattern) {
    return pattern.search(name).value_or(false);
  };
  return std::any_of(names.begin(), names.end(), is_named) ||
         std::any_of(patterns.begin(), patterns.end(), matches);
}

// At the end in the order in which they were added; elsewhere each before the one that came before
// it, as Exim puts them.
void HeaderEdits::add(Position position, Section& out) const {
  if (position == Position::at_end) {
    for (const acl::HeaderAddition& addition : added_)
      if (addition.position == position) out.add(addition.text);
    return;
  }
  for (auto addition = added_.rbegin(); addition != added_.rend(); ++addition)
    if (addition->position == position) out.add(addition->text);
}

void HeaderEdits::build(Section& out, std::string_view received, std::string_view head,
                        std::span<const message::FieldPlace> fields) const {
  add(Position::at_start, out);
  out.put(received, false);
  bool in_received = true;  // in the block of Received: lines at the top
  bool in_trace = true;     // in Received: and Resent-...: lines
  const auto leave = [&](bool& inside, Position position) {
    if (std::exchange(inside, false)) add(position, out);
  };
  uint64_t copied = 0;  // of head
  for (const message::FieldPlace& field : fields) {
    out.put(head.substr(copied, field.offset - copied), false);
    copied = field.offset + field.bytes;
    const std::string_view text = head.substr(field.offset, field.bytes);
    const std::string_view name = text.substr(0, field.name_bytes);
    const bool is_received = field.kind == message::FieldKind::received;
    if (!is_received) leave(in_received, Position::after_received);
    if (!is_received && !starts_with_ignore_case(name, "resent-"))
      leave(in_trace, Position::before_other_headers);
    out.put(text, removed_.has(name));
  }
  out.put(head.substr(std::min<uint64_t>(copied, head.size())), false);
  leave(in_received, Position::after_received);
  leave(in_trace, Position::before_other_headers);
  add(Position::at_end, out);
}

std::string HeaderEdits::apply(std::string received, std::string_view head,
                               std::span<const message::FieldPlace> fields) const {
  Section out(false, received.size() + head.size() + 64);
  build(out, received, head, fields);
  return out.take();
}

std::string HeaderEdits::lettered(std::string_view received, std::string_view head,
                                  std::span<const message::FieldPlace> fields) const {
  Section out(true, received.size() + head.size() + 64 + 2 * fields.size());
  build(out, received, head, fields);
  return out.take();
}

void remove_delivery_fields(std::span<const message::FieldPlace> fields,
                            const config::MessageOptions& options, HeaderEdits& edits) {
  struct Row {
    message::FieldKind kind;
    bool is_removed;
    std::string_view name;
  };
  const Row rows[] = {
      {message::FieldKind::return_path, options.return_path_remove, "return-path"},
      {message::FieldKind::envelope_to, options.envelope_to_remove, "envelope-to"},
      {message::FieldKind::delivery_date, options.delivery_date_remove, "delivery-date"}};
  for (const message::FieldPlace& field : fields) {
    for (const Row& row : rows)
      if (field.kind == row.kind && row.is_removed) edits.remove(row.name);
  }
}

std::string rejected_envelope(std::string_view sender,
                              std::span<const EnvelopeRecipient> recipients) {
  std::string out = "Envelope-from: <" + escape_control(sender) + ">\n";
  for (size_t i = 0; i < recipients.size() && i < kRejectedRecipientsShown; ++i) {
    out += i == 0 ? "Envelope-to: <" : "    <";
    out += escape_control(recipients[i].address) + ">\n";
  }
  if (recipients.size() > kRejectedRecipientsShown) out += "    ...\n";
  return out;
}

}  // namespace godwit::daemon
