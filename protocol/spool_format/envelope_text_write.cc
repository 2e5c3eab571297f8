#include "core/base/ascii.h"
#include "protocol/message/header_fields.h"
#include "protocol/spool_format/envelope_text.h"
#include "protocol/spool_format/envelope_text_rows.h"

#include <algorithm>

namespace godwit {
namespace {

using namespace envelope_text;

constexpr std::string_view kDefaultLogin = "godwit";
constexpr size_t kLoginBytesMax = 63;

void append_all(std::string& out, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) out += part;
}

// A value must not end its line.
void append_value(std::string& out, std::string_view value) {
  for (const char c : value) out += c == '\n' || c == '\r' || c == '\0' ? ' ' : c;
}

void append_padded(std::string& out, uint64_t value, size_t digits) {
  const std::string text = std::to_string(value);
  if (text.size() < digits) out.append(digits - text.size(), '0');
  out += text;
}

void append_line(std::string& out, const LineRow& row, const Envelope& envelope) {
  const std::string_view dash = row.is_tainted ? "--" : "-";
  switch (row.kind) {
    case LineKind::text:
    case LineKind::endpoint:
      if ((envelope.*row.text).empty()) return;
      append_all(out, {dash, row.name, " "});
      append_value(out, envelope.*row.text);
      break;
    case LineKind::count:
      if (envelope.*row.count == 0) return;
      append_all(out, {dash, row.name, " ", std::to_string(envelope.*row.count)});
      break;
    case LineKind::flag:
      if (!(envelope.*row.flag)) return;
      append_all(out, {dash, row.name});
      break;
  }
  out += '\n';
}

template <class Rows>
void append_lines(std::string& out, const Rows& rows, const Envelope& envelope) {
  for (const LineRow& row : rows) append_line(out, row, envelope);
}

void append_start(std::string& out, const Envelope& envelope, const EnvelopeTextState& state) {
  append_all(out, {envelope.message_id, "-H\n"});
  const std::string_view login =
      std::string_view(envelope.submitter_login).substr(0, kLoginBytesMax);
  append_value(out, login.empty() ? kDefaultLogin : login);
  append_all(out, {" ", std::to_string(envelope.submitter_uid), " ",
                   std::to_string(envelope.submitter_gid), "\n<"});
  append_value(out, envelope.sender);
  const uint64_t micros = static_cast<uint64_t>(std::max<int64_t>(0, envelope.received.micros));
  const std::string seconds = std::to_string(micros / 1'000'000);
  append_all(out, {">\n", seconds, " ", std::to_string(state.warnings), "\n-received_time_usec ."});
  append_padded(out, micros % 1'000'000, 6);
  append_all(out, {"\n-received_time_complete ", seconds, "."});
  append_padded(out, micros % 1'000'000, 6);
  out += '\n';
}

// "-aclm _foo 5", with a second '-' for a value from outside, and the bytes on a line of their own.
void append_variable(std::string& out, const EnvelopeVariable& variable) {
  const std::string_view name = variable.name;
  const bool is_connection = name.starts_with("acl_c");
  if ((!is_connection && !name.starts_with("acl_m")) || name.size() < 6) return;
  append_all(out, {variable.tainted ? "--" : "-", is_connection ? "aclc " : "aclm ", name.substr(5),
                   " ", std::to_string(variable.value.size()), "\n", variable.value, "\n"});
}

void append_state(std::string& out, const Envelope& envelope, const EnvelopeTextState& state) {
  int64_t frozen = state.frozen_at.seconds();
  if (frozen == 0 && envelope.frozen_at_start) frozen = envelope.received.seconds();
  if (frozen != 0) append_all(out, {"-frozen ", std::to_string(frozen), "\n"});
  append_lines(out, kStateLines, envelope);
  if (envelope.dsn_ret != DsnRet::unset) {
    append_all(out, {"-dsn_ret ", envelope.dsn_ret == DsnRet::full ? "1" : "2", "\n"});
  }
}

// Exim searches the tree by comparing bytes: a balanced one, from the middle of sorted addresses.
void append_tree(std::string& out, const std::vector<std::string_view>& sorted, size_t from,
                 size_t to) {
  const size_t middle = from + (to - from) / 2;
  const bool has_left = middle > from;
  const bool has_right = middle + 1 < to;
  append_all(out, {has_left ? "Y" : "N", has_right ? "Y " : "N "});
  append_value(out, sorted[middle]);
  out += '\n';
  if (has_left) append_tree(out, sorted, from, middle);
  if (has_right) append_tree(out, sorted, middle + 1, to);
}

void append_non_recipients(std::string& out, const Envelope& envelope,
                           const EnvelopeTextState& state) {
  std::vector<std::string_view> addresses(state.others_done.begin(), state.others_done.end());
  for (const uint32_t index : state.done) {
    if (index < envelope.recipients.size()) addresses.push_back(envelope.recipients[index].address);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses.empty()) {
    append_all(out, {kEmptyTree, "\n"});
  } else {
    append_tree(out, addresses, 0, addresses.size());
  }
}

// An address that a reader from the right end would take for the older forms of the line.
bool looks_like_extra(std::string_view address) noexcept {
  const size_t last = address.find_last_not_of("0123456789");
  return last != std::string_view::npos && last + 1 < address.size() &&
         (is_space(address[last]) || address[last] == '\0' || address[last] == '#');
}

void append_recipient(std::string& out, const EnvelopeRecipient& recipient) {
  append_value(out, recipient.address);
  const bool is_plain = recipient.orcpt.empty() && recipient.errors_to.empty() &&
                        recipient.dsn_flags == 0 && !looks_like_extra(recipient.address);
  if (!is_plain) {
    out += ' ';
    append_value(out, recipient.orcpt);
    append_all(out, {" ", std::to_string(recipient.orcpt.size()), ",",
                     std::to_string(recipient.dsn_flags), " "});
    append_value(out, recipient.errors_to);
    append_all(out, {" ", std::to_string(recipient.errors_to.size()), ",-1#3"});
  }
  out += '\n';
}

// The end of the field that starts at `from`: the next line that does not start with a blank.
size_t field_end(std::string_view text, size_t from) noexcept {
  for (size_t at = from;;) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
    if (at == text.size() || !is_blank(text[at])) return at;
  }
}

void append_headers(std::string& out, std::string_view section) {
  std::string field;
  for (size_t at = 0; at < section.size();) {
    const size_t end = field_end(section, at);
    const std::string_view wire = section.substr(at, end - at);
    at = end;
    field.clear();
    for (size_t n = 0; n < wire.size(); ++n) {
      const bool is_line_end = wire[n] == '\r' && n + 1 < wire.size() && wire[n + 1] == '\n';
      if (is_line_end) continue;
      field += wire[n] == '\0' ? ' ' : wire[n];
    }
    if (!field.ends_with('\n')) field += '\n';
    const std::string_view name = trim_right(std::string_view(field).substr(0, field.find(':')));
    append_padded(out, field.size(), 3);
    out += message::field_letter(name);
    append_all(out, {" ", field});
  }
}

}  // namespace

std::string envelope_to_text(const Envelope& envelope, const EnvelopeTextState& state,
                             std::string_view header_section) {
  std::string out;
  out.reserve(1024 + header_section.size() + 48 * envelope.recipients.size());
  append_start(out, envelope, state);
  append_lines(out, kConnectionLines, envelope);
  for (const EnvelopeVariable& variable : envelope.variables) append_variable(out, variable);
  if (state.wire_format) {
    out += "-spool_file_wireformat\n";
  } else {
    append_all(out, {"-body_linecount ", std::to_string(envelope.body_lines), "\n"});
  }
  append_lines(out, kContentLines, envelope);
  append_state(out, envelope, state);
  append_non_recipients(out, envelope, state);
  append_all(out, {std::to_string(envelope.recipients.size()), "\n"});
  for (const EnvelopeRecipient& recipient : envelope.recipients) append_recipient(out, recipient);
  out += '\n';
  append_headers(out, header_section);
  return out;
}

}  // namespace godwit
