// ClientEngine: what it sends, and when.
#include "core/base/ascii.h"
#include "protocol/smtp/client_engine.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/xtext.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace godwit::smtp {
namespace {

bool is_safe_value(std::string_view value) noexcept {
  return std::ranges::all_of(value, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > ' ' && byte != 0x7f;
  });
}

void append_notify(std::string& out, uint8_t notify) {
  struct NotifyRow {
    NotifyBits bit;
    std::string_view name;
  };
  constexpr NotifyRow kRows[] = {{kNotifyNever, "NEVER"},
                                 {kNotifySuccess, "SUCCESS"},
                                 {kNotifyFailure, "FAILURE"},
                                 {kNotifyDelay, "DELAY"}};
  std::string_view separator = " NOTIFY=";
  for (const NotifyRow& row : kRows) {
    if ((notify & row.bit) == 0) continue;
    out.append(separator).append(row.name);
    separator = ",";
  }
}

}  // namespace

// Sends what can be sent now. Without pipelining that is one command, when nothing is awaited.
void ClientEngine::advance() {
  if (body_wanted_ || body_open_) return;
  const bool quiet = replies_awaited() == 0;
  if (message_settled_ || data_sent_) {
    if (quiet) finish_transaction();
    return;
  }
  if (!pipelined_ && !quiet) return;
  if (!mail_sent_ && needs_rset_) {
    needs_rset_ = false;
    output_ += "RSET\r\n";
    expect(Awaited::rset);
    if (!pipelined_) return;
  }
  if (!mail_sent_) {
    send_mail();
    if (!pipelined_) return;
  }
  if (recipients_sent_ < recipients_to_send_) {
    // The next group goes out when the one before is answered.
    if (recipients_sent_ > 0 && !quiet) return;
    send_recipient_group();
    if (!pipelined_ && replies_awaited() > 0) return;
    if (recipients_sent_ < recipients_to_send_) return;
  }
  if (replies_awaited() == 0 && recipients_good_ == 0) return finish_transaction();
  if (transaction_.is_probe) return finish_probe();
  send_data();
}

// All questions were asked; the transaction ends where it stands.
void ClientEngine::finish_probe() {
  if (replies_awaited() > 0) return;
  for (size_t n = 0; n < outcomes_.size(); ++n) {
    if (accepted_[n]) outcomes_[n].outcome = OutcomeClass::delivered;
  }
  finish_transaction();
}

void ClientEngine::send_recipient_group() {
  size_t room = pipelined_ ? kPipelinedRecipientsMax : 1;
  while (room > 0 && recipients_sent_ < recipients_to_send_) {
    const uint32_t recipient = recipients_sent_++;
    if (settled_[recipient]) continue;
    send_rcpt(recipient);
    --room;
  }
}

void ClientEngine::send_helo(Awaited what) {
  output_ += what == Awaited::helo ? "HELO " : options_.lmtp ? "LHLO " : "EHLO ";
  output_ += options_.helo_name;
  output_ += "\r\n";
  expect(what);
}

void ClientEngine::send_mail() {
  const Transaction& t = transaction_;
  mail_line_ = "MAIL FROM:<" + t.sender + ">";
  if (has(Extension::size)) {
    mail_line_ += " SIZE=";
    append_decimal(mail_line_, t.size_to_declare != 0 ? t.size_to_declare : t.body_bytes);
  }
  if (has(Extension::eight_bit_mime) && t.body == BodyKind::eight_bit_mime) {
    mail_line_ += " BODY=8BITMIME";
  }
  if (t.smtputf8) mail_line_ += " SMTPUTF8";
  if (has(Extension::dsn)) {
    if (t.ret == DsnReturn::headers) mail_line_ += " RET=HDRS";
    if (t.ret == DsnReturn::full) mail_line_ += " RET=FULL";
    if (!t.envid.empty() && is_xtext(t.envid)) mail_line_ += " ENVID=" + t.envid;
  }
  if (has(Extension::auth) && !t.auth.empty()) {
    mail_line_ += " AUTH=";
    append_xtext(mail_line_, t.auth);
  }
  output_ += mail_line_;
  output_ += "\r\n";
  mail_sent_ = true;
  expect(Awaited::mail);
}

void ClientEngine::send_rcpt(uint32_t recipient) {
  const ClientRecipient& to = transaction_.recipients[recipient];
  output_ += "RCPT TO:<" + to.address + ">";
  if (has(Extension::dsn)) {
    append_notify(output_, to.notify);
    if (!to.orcpt.empty() && is_safe_value(to.orcpt)) output_ += " ORCPT=" + to.orcpt;
  }
  if (to.ignore_quota && has(Extension::ignore_quota)) output_ += " IGNOREQUOTA";
  output_ += "\r\n";
  expect(Awaited::rcpt, recipient);
}

void ClientEngine::send_data() {
  const bool answered = replies_awaited() == 0;
  if (!use_bdat_) {
    data_sent_ = true;
    output_ += "DATA\r\n";
    expect(Awaited::data);
    return;
  }
  // A big body is not sent into the unknown; LMTP must know whose answers will come.
  const bool eager = transaction_.body_bytes <= kEagerBodyBytesMax && !options_.lmtp;
  if (!answered && !eager) return;
  data_sent_ = true;
  output_ += "BDAT ";
  append_decimal(output_, transaction_.body_bytes);
  output_ += " LAST\r\n";
  start_body();
}

// The body goes out next; its answer, or in LMTP the answer for each recipient, is awaited.
void ClientEngine::start_body() {
  body_wanted_ = true;
  if (!options_.lmtp) return expect(Awaited::end);
  for (uint32_t n = 0; n < recipients_to_send_; ++n) {
    if (accepted_[n]) expect(Awaited::end, n);
  }
}

}  // namespace godwit::smtp
