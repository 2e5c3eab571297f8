#include "protocol/smtp/reply.h"

#include "core/base/ascii.h"
#include "protocol/smtp/limits.h"

#include <array>
#include <span>

namespace godwit::smtp {
namespace {

struct ReplyRow {
  ReplyId id;
  uint16_t code;
  std::string_view enhanced;
  std::string_view text;
};

// clang-format off
constexpr std::array kReplies{
    //       id                                 code  enhanced  text
    ReplyRow{ReplyId::mail_ok,                   250, "2.1.0",  "OK"},
    ReplyRow{ReplyId::mail_ok_prdr,              250, "2.1.0",  "OK, PRDR Requested"},
    ReplyRow{ReplyId::prdr_begins,               353, "",       "PRDR content analysis beginning"},
    ReplyRow{ReplyId::rcpt_ok,                   250, "2.1.5",  "Accepted"},
    ReplyRow{ReplyId::data_go_ahead,             354, "",       "Enter message, ending with \".\" on a line by itself"},
    ReplyRow{ReplyId::rset_ok,                   250, "2.0.0",  "Reset OK"},
    ReplyRow{ReplyId::noop_ok,                   250, "2.0.0",  "OK"},
    ReplyRow{ReplyId::starttls_go_ahead,         220, "2.0.0",  "TLS go ahead"},
    ReplyRow{ReplyId::line_too_long,             500, "5.5.6",  "line too long"},
    ReplyRow{ReplyId::bad_line_end,              500, "5.5.2",  "lines must end with CRLF"},
    ReplyRow{ReplyId::control_character,         501, "5.5.2",  "control characters are not allowed in SMTP commands"},
    ReplyRow{ReplyId::nul_character,             501, "5.5.2",  "NUL characters are not allowed in SMTP commands"},
    ReplyRow{ReplyId::unrecognized,              500, "5.5.1",  "unrecognized command"},
    ReplyRow{ReplyId::too_many_unrecognized,     500, "5.5.1",  "Too many unrecognized commands"},
    ReplyRow{ReplyId::unexpected_argument,       501, "5.5.4",  "unexpected argument data"},
    ReplyRow{ReplyId::helo_required,             503, "5.5.1",  "HELO or EHLO required"},
    ReplyRow{ReplyId::sender_not_given,          503, "5.5.1",  "sender not yet given"},
    ReplyRow{ReplyId::sender_already_given,      503, "5.5.1",  "sender already given"},
    ReplyRow{ReplyId::mail_needs_address,        501, "5.5.4",  "MAIL must have an address operand"},
    ReplyRow{ReplyId::rcpt_needs_address,        501, "5.5.4",  "RCPT must have an address operand"},
    ReplyRow{ReplyId::bad_size,                  501, "5.5.4",  "invalid data for SIZE"},
    ReplyRow{ReplyId::bad_body,                  501, "5.5.4",  "invalid data for BODY"},
    ReplyRow{ReplyId::body_not_advertised,       555, "5.5.4",  "BODY used when not advertised"},
    ReplyRow{ReplyId::ret_twice,                 501, "5.5.4",  "RET can be specified once only"},
    ReplyRow{ReplyId::bad_ret,                   501, "5.5.4",  "Value for RET is invalid"},
    ReplyRow{ReplyId::envid_twice,               501, "5.5.4",  "ENVID can be specified once only"},
    ReplyRow{ReplyId::bad_envid,                 501, "5.5.4",  "invalid data for ENVID"},
    ReplyRow{ReplyId::orcpt_twice,               501, "5.5.4",  "ORCPT can be specified once only"},
    ReplyRow{ReplyId::bad_orcpt,                 501, "5.5.4",  "invalid data for ORCPT"},
    ReplyRow{ReplyId::notify_twice,              501, "5.5.4",  "NOTIFY can be specified once only"},
    ReplyRow{ReplyId::bad_notify,                501, "5.5.4",  "Invalid value for NOTIFY parameter"},
    ReplyRow{ReplyId::bad_auth,                  501, "5.5.4",  "invalid data for AUTH"},
    ReplyRow{ReplyId::smtputf8_not_advertised,   555, "5.5.4",  "SMTPUTF8 used when not advertised"},
    ReplyRow{ReplyId::rcpt_must_precede_data,    503, "5.5.1",  "Valid RCPT command must precede DATA"},
    ReplyRow{ReplyId::rcpt_must_precede_bdat,    503, "5.5.1",  "Valid RCPT command must precede BDAT"},
    ReplyRow{ReplyId::too_many_recipients_452,   452, "4.5.3",  "too many recipients"},
    ReplyRow{ReplyId::too_many_recipients_552,   552, "5.5.3",  "too many recipients"},
    ReplyRow{ReplyId::too_many_recipients_554,   554, "5.5.3",  "Too many recipients"},
    ReplyRow{ReplyId::message_too_big,           552, "5.3.4",  "Message size exceeds maximum permitted"},
    ReplyRow{ReplyId::header_too_long,           552, "5.3.4",  "Message header is ridiculously long"},
    ReplyRow{ReplyId::header_line_too_long,      552, "5.3.4",  "A message header line is too long"},
    ReplyRow{ReplyId::header_not_terminated,     552, "5.6.0",  "Message header not CRLF terminated"},
    ReplyRow{ReplyId::too_many_received,         550, "5.4.6",  "Too many \"Received\" headers - suspected mail loop"},
    ReplyRow{ReplyId::bare_line_end,             550, "5.6.0",  "Message contains a bare CR or LF: every line must end with CRLF"},
    ReplyRow{ReplyId::bdat_not_advertised,       503, "5.5.1",  "BDAT command used when CHUNKING not advertised"},
    ReplyRow{ReplyId::bdat_no_size,              501, "5.5.4",  "missing size for BDAT command"},
    ReplyRow{ReplyId::bdat_zero_size,            504, "5.5.4",  "zero size for BDAT command"},
    ReplyRow{ReplyId::bdat_too_big,              552, "5.3.4",  "Message size exceeds maximum permitted"},
    ReplyRow{ReplyId::only_bdat,                 503, "5.5.1",  "only BDAT permissible after non-LAST BDAT"},
    ReplyRow{ReplyId::only_rset,                 503, "5.5.1",  "only RSET accepted now"},
    ReplyRow{ReplyId::auth_not_advertised,       503, "5.5.1",  "AUTH command used when not advertised"},
    ReplyRow{ReplyId::starttls_not_advertised,   503, "5.5.1",  "STARTTLS command used when not advertised"},
    ReplyRow{ReplyId::already_in_tls,            554, "5.5.1",  "Already in TLS"},
    ReplyRow{ReplyId::etrn_in_transaction,       503, "5.5.1",  "ETRN is not permitted inside a transaction"},
    ReplyRow{ReplyId::too_many_messages,         421, "4.7.0",  "too many messages in this connection"},
    ReplyRow{ReplyId::too_many_nonmail,          554, "5.7.0",  "Too many nonmail commands"},
    ReplyRow{ReplyId::synchronization,           554, "5.5.0",  "SMTP synchronization error"},
    ReplyRow{ReplyId::space_shortage,            452, "4.3.1",  "Space shortage, please try later"},
    ReplyRow{ReplyId::local_problem,             451, "4.3.0",  "Temporary local problem - please try later"},
    ReplyRow{ReplyId::administrative_prohibition,550, "5.7.1",  "Administrative prohibition"},
    ReplyRow{ReplyId::vrfy_refused,              252, "2.5.2",  "Administrative prohibition"},
    ReplyRow{ReplyId::service_not_available_554, 554, "5.3.2",  "SMTP service not available"},
    ReplyRow{ReplyId::service_not_available_451, 451, "4.3.2",  "SMTP service not available"},
    ReplyRow{ReplyId::lost_connection,           421, "4.4.2",  "Lost incoming connection"},
};
// clang-format on

constexpr bool rows_cover_ids() {
  for (size_t n = 0; n < kReplies.size(); ++n) {
    if (static_cast<size_t>(kReplies[n].id) != n) return false;
  }
  return kReplies.size() == kReplyIdCount;
}
static_assert(rows_cover_ids());

// RFC 2034 4: codes of other classes have no enhanced status.
constexpr bool takes_enhanced(uint16_t code) noexcept {
  return code / 100 == 2 || code / 100 == 4 || code / 100 == 5;
}

void append_code(std::string& out, uint16_t code) {
  out.push_back(static_cast<char>('0' + code / 100 % 10));
  out.push_back(static_cast<char>('0' + code / 10 % 10));
  out.push_back(static_cast<char>('0' + code % 10));
}

void append_line_text(std::string& out, std::string_view line) {
  const size_t start = out.size();
  out += line;
  for (char& c : std::span(out).subspan(start)) {
    const auto byte = static_cast<unsigned char>(c);
    c = (byte < ' ' && c != '\t') || byte == 0x7f ? ' ' : c;
  }
}

void append_lines(std::string& out, const ReplyView& reply, bool with_enhanced, bool ends) {
  std::string_view text = reply.text;
  std::string_view enhanced;
  if (with_enhanced && takes_enhanced(reply.code)) {
    const std::string_view own = leading_enhanced_status(text);
    enhanced = own.empty() ? reply.enhanced : own;
    if (!own.empty()) text = trim_left(text.substr(own.size()));
  }
  for (size_t lines = 1;; ++lines) {
    const size_t end = text.find('\n');
    const bool last = end == std::string_view::npos || lines == kReplyLinesMax;
    append_code(out, reply.code);
    out.push_back(last && ends ? ' ' : '-');
    if (!enhanced.empty()) {
      // RFC 2034 4: the class is the first digit of the code.
      out.push_back(static_cast<char>('0' + reply.code / 100));
      out.append(enhanced.substr(1)).push_back(' ');
    }
    append_line_text(out, text.substr(0, end));
    out.append("\r\n");
    if (last) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

bool is_enhanced_status(std::string_view text) noexcept {
  if (text.size() < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5')) return false;
  size_t dots = 0;
  size_t digits = 0;
  for (const char c : text) {
    if (c == '.') {
      if (digits == 0 || ++dots > 2) return false;
      digits = 0;
    } else if (!is_digit(c) || ++digits > (dots == 0 ? 1u : 3u)) {
      return false;
    }
  }
  return dots == 2 && digits > 0;
}

std::string_view leading_enhanced_status(std::string_view text) noexcept {
  const std::string_view word = text.substr(0, text.find_first_of(" \n"));
  return is_enhanced_status(word) ? word : std::string_view();
}

void append_reply(std::string& out, const ReplyView& reply, bool with_enhanced) {
  append_lines(out, reply, with_enhanced, true);
}

void append_reply_start(std::string& out, const ReplyView& reply, bool with_enhanced) {
  append_lines(out, reply, with_enhanced, false);
}

ReplyView named_reply(ReplyId id) noexcept {
  const ReplyRow& row = kReplies[static_cast<size_t>(id)];
  return {row.code, row.enhanced, row.text};
}

}  // namespace godwit::smtp
