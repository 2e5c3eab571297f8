#include "delivery/transport/mailbox_text.h"

#include <algorithm>

namespace godwit::delivery {

void MailboxText::add_headers(std::string_view wire, std::string& out) {
  checks_ = options_.checks_headers && !options_.check_string.empty();
  add(wire, out);
}

void MailboxText::add_body(std::string_view wire, std::string& out) {
  checks_ = !options_.check_string.empty();
  add(wire, out);
}

void MailboxText::finish(std::string& out) {
  settle_start(out, true);
  if (cr_pending_) out += '\r';
  cr_pending_ = false;
  if (!at_line_start_) end_line(out);
}

void MailboxText::end_line(std::string& out) {
  out += options_.use_crlf ? "\r\n" : "\n";
  at_line_start_ = true;
}

// Decides on the bytes that were held back. `is_whole`: no more of the line is coming.
void MailboxText::settle_start(std::string& out, bool is_whole) {
  if (line_start_.empty()) return;
  const bool matches = line_start_ == options_.check_string;
  if (!matches && !is_whole && std::string_view(options_.check_string).starts_with(line_start_)) {
    return;
  }
  out += matches ? options_.escape_string : line_start_;
  line_start_.clear();
  at_line_start_ = false;
}

void MailboxText::add(std::string_view wire, std::string& out) {
  for (size_t at = 0; at < wire.size();) {
    const char c = wire[at];
    if (c == '\n') {
      settle_start(out, true);
      cr_pending_ = false;
      end_line(out);
      ++at;
      continue;
    }
    if (cr_pending_) {  // a CR alone is text
      settle_start(out, true);
      out += '\r';
      cr_pending_ = at_line_start_ = false;
    }
    if (c == '\r') {
      cr_pending_ = true;
      ++at;
      continue;
    }
    if (checks_ && (at_line_start_ || !line_start_.empty())) {
      line_start_ += c;
      settle_start(out, false);
      ++at;
      continue;
    }
    const size_t end = std::min(wire.find_first_of("\r\n", at), wire.size());
    out += wire.substr(at, end - at);
    at_line_start_ = false;
    at = end;
  }
}

}  // namespace godwit::delivery
