// Reply: a code, an enhanced status and text of one or more lines; and its form on the wire.
// Used by: the server engine and whoever answers through it (ACLs, session, -bh).
// Enhanced codes (RFC 2034, 3463) are printed on every line, and only where the client's host gets
// them; they are left out of greetings and of EHLO and HELO replies by giving none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace godwit::smtp {

// A reply that somebody else owns; what the engine takes.
struct ReplyView {
  uint16_t code = 0;
  std::string_view enhanced;  // "2.1.0", or empty: none
  std::string_view text;      // lines are parted by '\n'
};

struct Reply {
  uint16_t code = 0;
  std::string enhanced;
  std::string text;

  operator ReplyView() const noexcept { return {code, enhanced, text}; }
  bool operator==(const Reply&) const = default;
};

constexpr bool is_positive(uint16_t code) noexcept {
  return code >= 200 && code < 400;
}

// "d.d.d" with the class digit 2, 4 or 5 and at most three digits each (RFC 3463 2).
bool is_enhanced_status(std::string_view text) noexcept;

// The enhanced code that a text begins with ("4.7.1 Greylisted"); empty where there is none. Texts
// of operators often carry one: it wins over ReplyView::enhanced and is printed either way.
std::string_view leading_enhanced_status(std::string_view text) noexcept;

// Appends the reply as it is sent. CR and other control characters of the text become spaces, so
// that no text can start a line of its own; lines over kReplyLinesMax are left out.
void append_reply(std::string& out, const ReplyView& reply, bool with_enhanced);

// As append_reply, but every line ends in "-": the first part of a reply that goes on.
void append_reply_start(std::string& out, const ReplyView& reply, bool with_enhanced);

// Replies with a name: a row is code, enhanced status, Exim's exact text.
enum class ReplyId : uint8_t {
  mail_ok,
  mail_ok_prdr,
  prdr_begins,
  rcpt_ok,
  data_go_ahead,
  rset_ok,
  noop_ok,
  starttls_go_ahead,
  line_too_long,
  bad_line_end,
  control_character,
  nul_character,
  unrecognized,
  too_many_unrecognized,
  unexpected_argument,
  helo_required,
  sender_not_given,
  sender_already_given,
  mail_needs_address,
  rcpt_needs_address,
  bad_size,
  bad_body,
  body_not_advertised,
  ret_twice,
  bad_ret,
  envid_twice,
  bad_envid,
  orcpt_twice,
  bad_orcpt,
  notify_twice,
  bad_notify,
  bad_auth,
  smtputf8_not_advertised,
  rcpt_must_precede_data,
  rcpt_must_precede_bdat,
  too_many_recipients_452,
  too_many_recipients_552,
  too_many_recipients_554,
  message_too_big,
  header_too_long,
  header_line_too_long,
  header_not_terminated,
  too_many_received,
  bare_line_end,
  bdat_not_advertised,
  bdat_no_size,
  bdat_zero_size,
  bdat_too_big,
  only_bdat,
  only_rset,
  auth_not_advertised,
  starttls_not_advertised,
  already_in_tls,
  etrn_in_transaction,
  too_many_messages,
  too_many_nonmail,
  synchronization,
  space_shortage,
  local_problem,
  administrative_prohibition,
  vrfy_refused,
  service_not_available_554,
  service_not_available_451,
  lost_connection,
};
inline constexpr size_t kReplyIdCount = static_cast<size_t>(ReplyId::lost_connection) + 1;

ReplyView named_reply(ReplyId id) noexcept;

}  // namespace godwit::smtp
