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

// Sends what can be sent now, of the newest transaction; those before it are out. Without
// pipelining that is one command, when nothing is awaited.
void ClientEngine::advance() {
  for (ClientFlight& flight : flights_) {
    if (is_over(flight)) finish(flight);
  }
  ClientFlight& flight = flights_.back();
  if (flight.finished || flight.message_settled || flight.data_sent) return;
  const bool quiet = flight.awaited == 0;
  if (!flight.pipelined && !quiet) return;
  if (flight.wants_rset) {
    flight.wants_rset = false;
    output_ += "RSET\r\n";
    expect(Awaited::rset);
    if (!flight.pipelined) return;
  }
  if (!flight.mail_sent) {
    send_mail(flight);
    if (!flight.pipelined) return;
  }
  const auto count = static_cast<uint32_t>(flight.outcomes.size());
  if (flight.recipients_seen < count) {
    // The next group goes out when the one before is answered.
    if (flight.recipients_seen > 0 && !quiet) return;
    send_recipient_group(flight);
    if (!flight.pipelined && flight.awaited > 0) return;
    if (flight.recipients_seen < count) return;
  }
  if (flight.awaited == 0 && flight.recipients_good == 0) return finish(flight);
  if (flight.transaction.is_probe) return finish_probe(flight);
  send_data(flight);
}

// All questions were asked; the transaction ends where it stands.
void ClientEngine::finish_probe(ClientFlight& flight) {
  if (flight.awaited > 0) return;
  for (size_t n = 0; n < flight.outcomes.size(); ++n) {
    if (flight.accepted[n]) flight.outcomes[n].outcome = OutcomeClass::delivered;
  }
  finish(flight);
}

void ClientEngine::send_recipient_group(ClientFlight& flight) {
  size_t room = flight.pipelined ? kPipelinedRecipientsMax : 1;
  while (room > 0 && flight.recipients_seen < flight.outcomes.size()) {
    const uint32_t recipient = flight.recipients_seen++;
    if (flight.settled[recipient]) continue;
    send_rcpt(flight, recipient);
    --room;
  }
}

void ClientEngine::send_helo(Awaited what) {
  output_ += what == Awaited::helo ? "HELO " : options_.lmtp ? "LHLO " : "EHLO ";
  output_ += options_.helo_name;
  output_ += "\r\n";
  expect(what);
}

// Says EHLO and goes on as if it were answered. False where nothing is known, or not enough.
bool ClientEngine::begin_early(const std::optional<Capabilities>& known) {
  const bool can = known && known->has(Extension::pipelining) && options_.use_pipelining &&
                   (options_.use_esmtp || options_.lmtp);
  if (!can) return false;
  send_helo(Awaited::ehlo);
  capabilities_ = *known;
  esmtp_ = believes_ = was_early_ = true;
  state_ = State::ready;
  ready_pending_ = true;
  return true;
}

void ClientEngine::send_mail(ClientFlight& flight) {
  const Transaction& t = flight.transaction;
  std::string& line = flight.mail_line;
  line = "MAIL FROM:<" + t.sender + ">";
  if (has(Extension::size) && t.declares_size) {
    line += " SIZE=";
    append_decimal(line, t.size_to_declare != 0 ? t.size_to_declare : t.body_bytes);
  }
  if (has(Extension::eight_bit_mime) && t.body == BodyKind::eight_bit_mime) {
    line += " BODY=8BITMIME";
  }
  if (flight.use_prdr) line += " PRDR";
  if (t.smtputf8) line += " SMTPUTF8";
  if (has(Extension::dsn)) {
    if (t.ret == DsnReturn::headers) line += " RET=HDRS";
    if (t.ret == DsnReturn::full) line += " RET=FULL";
    if (!t.envid.empty() && is_xtext(t.envid)) line += " ENVID=" + t.envid;
  }
  if (has(Extension::auth) && !t.auth.empty()) {
    line += " AUTH=";
    append_xtext(line, t.auth);
  }
  output_ += line;
  output_ += "\r\n";
  flight.mail_sent = true;
  expect(Awaited::mail);
}

void ClientEngine::send_rcpt(const ClientFlight& flight, uint32_t recipient) {
  const ClientRecipient& to = flight.transaction.recipients[recipient];
  output_ += "RCPT TO:<" + to.address + ">";
  if (has(Extension::dsn)) {
    append_notify(output_, to.notify);
    if (!to.orcpt.empty() && is_safe_value(to.orcpt)) output_ += " ORCPT=" + to.orcpt;
  }
  if (to.ignore_quota && has(Extension::ignore_quota)) output_ += " IGNOREQUOTA";
  output_ += "\r\n";
  expect(Awaited::rcpt, recipient);
}

void ClientEngine::send_data(ClientFlight& flight) {
  if (!flight.use_bdat) {
    flight.data_sent = true;
    output_ += "DATA\r\n";
    expect(Awaited::data);
    return;
  }
  // A big body is not sent into the unknown, nor any to a server that may take it for commands;
  // LMTP must know whose answers will come.
  const uint64_t bytes = flight.transaction.body_bytes;
  const bool eager = bytes <= kEagerBodyBytesMax && !options_.lmtp && !believes_;
  if (flight.awaited > 0 && !eager) return;
  flight.data_sent = true;
  output_ += "BDAT ";
  append_decimal(output_, bytes);
  output_ += " LAST\r\n";
  start_body(flight);
}

// The body goes out next; its answer, or in LMTP the answer for each recipient, is awaited.
void ClientEngine::start_body(const ClientFlight& flight) {
  body_wanted_ = true;
  if (!options_.lmtp) return expect(Awaited::end);
  for (uint32_t n = 0; n < flight.accepted.size(); ++n) {
    if (flight.accepted[n]) expect(Awaited::end, n);
  }
}

}  // namespace godwit::smtp
