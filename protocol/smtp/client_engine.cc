#include "protocol/smtp/client_engine.h"

#include "core/base/ascii.h"
#include "core/base/assert.h"

#include <algorithm>
#include <utility>

namespace godwit::smtp {
namespace {

constexpr uint16_t kLeaving = 421;
// RFC 5321 4.5.3.1.10: 552 to RCPT was once "too many recipients"; it is to be tried again.
constexpr uint16_t kTooManyRecipients = 552;

Outcome message_outcome_for(std::string command, ServerReply reply) {
  const OutcomeClass outcome = reply.digit() == 2   ? OutcomeClass::delivered
                               : reply.digit() == 4 ? OutcomeClass::message_deferred
                                                    : OutcomeClass::message_failed;
  return {outcome, std::move(command), std::move(reply), {}};
}

// What may stand between "<" and ">" without ending either the path or the line.
bool is_safe_address(std::string_view address) noexcept {
  bool quoted = false;
  for (size_t at = 0; at < address.size(); ++at) {
    const auto byte = static_cast<unsigned char>(address[at]);
    if (byte < ' ' || byte == 0x7f) return false;
    if (address[at] == '"') quoted = !quoted;
    if (address[at] == '\\') ++at;
    if (!quoted && (byte == '<' || byte == '>' || byte == ' ')) return false;
  }
  return !quoted;
}

}  // namespace

// --- bytes and events ---

void ClientEngine::receive(std::string_view bytes) {
  if (input_at_ == input_.size()) {
    input_.clear();
    input_at_ = 0;
  }
  input_.append(bytes);
}

std::string ClientEngine::take_output() {
  return std::exchange(output_, std::string());
}

ClientEvent ClientEngine::next() {
  while (true) {
    if (std::exchange(done_pending_, false))
      return {ClientEventKind::transaction_done, phase(), {}};
    if (std::exchange(failed_pending_, false))
      return {ClientEventKind::session_failed, phase(), {}};
    if (state_ == State::failed) return {ClientEventKind::session_failed, Phase::idle, {}};
    if (state_ == State::closed) return {ClientEventKind::closed, Phase::idle, {}};
    if (std::exchange(tls_pending_, false)) {
      const bool agreed = state_ == State::starttls;
      return {agreed ? ClientEventKind::tls_ready : ClientEventKind::tls_refused, Phase::idle, {}};
    }
    if (std::exchange(ready_pending_, false)) return {ClientEventKind::ready, Phase::idle, {}};
    if (state_ == State::transaction) advance();
    if (done_pending_) continue;
    if (std::exchange(body_wanted_, false)) {
      body_open_ = true;
      const BodyForm form = use_bdat_ ? BodyForm::chunk : BodyForm::dot_stuffed;
      return {ClientEventKind::send_body, Phase::data_block, form};
    }
    if (!take_reply()) {
      if (failed_pending_ || done_pending_) continue;
      return {ClientEventKind::need_input, phase(), {}};
    }
  }
}

// Handles one reply; false where more input is needed or the session has failed.
bool ClientEngine::take_reply() {
  const std::string_view rest = std::string_view(input_).substr(input_at_);
  input_at_ += parser_.feed(rest);
  if (parser_.state() == ReplyParser::State::malformed) {
    lost(parser_.problem());
    return false;
  }
  if (parser_.state() == ReplyParser::State::incomplete) return false;
  ServerReply reply = parser_.take();
  if (replies_awaited() == 0) {
    const bool leaving = reply.code == kLeaving;
    fail_session({OutcomeClass::host_error, "idle connection", std::move(reply),
                  leaving ? "" : "unexpected reply"});
    return false;
  }
  const Expected expected = expected_[expected_at_++];
  if (expected_at_ == expected_.size()) {
    expected_.clear();
    expected_at_ = 0;
  }
  on_reply(expected, std::move(reply));
  return true;
}

void ClientEngine::on_reply(Expected expected, ServerReply reply) {
  const bool decides = expected.what == Awaited::end || expected.what == Awaited::quit;
  if (reply.code == kLeaving && !decides) {
    fail_session({OutcomeClass::host_error, command_text(expected), std::move(reply), {}});
    return;
  }
  switch (expected.what) {
    case Awaited::greeting:
      return on_greeting(std::move(reply));
    case Awaited::ehlo:
    case Awaited::helo:
      return on_helo(expected, std::move(reply));
    case Awaited::starttls:
      return on_starttls(std::move(reply));
    case Awaited::rset:
      if (reply.digit() == 2) return;
      return fail_session({OutcomeClass::host_error, "RSET", std::move(reply), {}});
    case Awaited::mail:
      return on_mail(std::move(reply));
    case Awaited::rcpt:
      return on_rcpt(expected.recipient, std::move(reply));
    case Awaited::data:
      return on_data(std::move(reply));
    case Awaited::end:
      return on_end(expected, std::move(reply));
    case Awaited::quit:
      state_ = State::closed;
      return;
  }
}

// --- replies ---

void ClientEngine::on_greeting(ServerReply reply) {
  greeting_ = reply;
  if (reply.digit() != 2) {
    fail_session({OutcomeClass::host_error, "initial connection", std::move(reply), {}});
    return;
  }
  state_ = State::helo;
  send_helo(options_.use_esmtp || options_.lmtp ? Awaited::ehlo : Awaited::helo);
}

void ClientEngine::on_helo(Expected expected, ServerReply reply) {
  const bool extended = expected.what == Awaited::ehlo;
  if (reply.digit() == 2) {
    esmtp_ = extended;
    helo_line_ = reply.full_text();
    capabilities_ = extended ? parse_capabilities(reply.text) : Capabilities();
    state_ = State::ready;
    ready_pending_ = true;
  } else if (extended && reply.digit() == 5 && !options_.lmtp) {
    send_helo(Awaited::helo);  // RFC 5321 3.2
  } else {
    fail_session({OutcomeClass::host_error, command_text(expected), std::move(reply), {}});
  }
}

// RFC 3207 4. What came in clear behind the reply was not said by the server that the handshake
// will prove: there is no going on with it.
void ClientEngine::on_starttls(ServerReply reply) {
  if (reply.digit() != 2) {
    tls_refusal_ = std::move(reply);
    state_ = State::ready;
    tls_pending_ = true;
  } else if (input_at_ != input_.size()) {
    fail_session({OutcomeClass::host_error, "STARTTLS", {}, "sent data in clear before TLS began"});
  } else {
    tls_pending_ = true;
  }
}

void ClientEngine::on_mail(ServerReply reply) {
  if (reply.digit() == 2) {
    needs_rset_ = true;
    return;
  }
  settle_message(message_outcome_for(command_text({Awaited::mail}), std::move(reply)));
}

void ClientEngine::on_rcpt(uint32_t recipient, ServerReply reply) {
  if (message_settled_) return;  // MAIL was refused: every RCPT after it is as well
  if (reply.digit() == 2) {
    accepted_[recipient] = true;
    ++recipients_good_;
    return;
  }
  const bool again = reply.digit() == 4 || reply.code == kTooManyRecipients;
  outcomes_[recipient] = {again ? OutcomeClass::recipient_deferred : OutcomeClass::recipient_failed,
                          command_text({Awaited::rcpt, recipient}),
                          std::move(reply),
                          {}};
  settled_[recipient] = true;
}

void ClientEngine::on_data(ServerReply reply) {
  const bool anybody = recipients_good_ > 0 && !message_settled_;
  if (reply.digit() == 3) {
    if (anybody) return start_body();
    // RFC 2920 3.1: the server waits for a message that nobody would get. End it at once.
    output_ += ".\r\n";
    lone_dot_ = true;
    expect(Awaited::end);
    return;
  }
  if (!anybody) return;
  if (reply.digit() == 2) {
    return fail_session(
        {OutcomeClass::host_error, command_text({Awaited::data}), std::move(reply), {}});
  }
  settle_message(message_outcome_for(command_text({Awaited::data}), std::move(reply)));
}

void ClientEngine::on_end(Expected expected, ServerReply reply) {
  const bool leaving = reply.code == kLeaving;
  needs_rset_ = use_bdat_ && reply.digit() != 2;  // RFC 3030 2: a failed BDAT wants a RSET
  Outcome outcome = message_outcome_for(command_text(expected), std::move(reply));
  const bool odd = outcome.reply.digit() == 3;
  if (odd) outcome.outcome = OutcomeClass::in_doubt;
  if (options_.lmtp && !lone_dot_ && !message_settled_) {
    // RFC 2033 4.2: each answer is about one recipient.
    if (outcome.outcome == OutcomeClass::message_deferred) {
      outcome.outcome = OutcomeClass::recipient_deferred;
    } else if (outcome.outcome == OutcomeClass::message_failed) {
      outcome.outcome = OutcomeClass::recipient_failed;
    }
    outcomes_[expected.recipient] = outcome;
    settled_[expected.recipient] = true;
    if (replies_awaited() == 0) settle_message(std::move(outcome));
  } else if (!lone_dot_ && !message_settled_) {
    // A chunk that was sent before the answers to RCPT came is refused when all of those were.
    if (recipients_good_ > 0) settle_message(std::move(outcome));
  }
  // An answer to a body that is not out yet: what is left of it would be read as commands.
  const bool unusable = leaving || odd || body_open_;
  if (unusable)
    fail_session({OutcomeClass::host_error, command_text(expected), {}, "closed by server"});
}

// --- intents and facts ---

void ClientEngine::begin(Transaction transaction) {
  GODWIT_ASSERT(state_ == State::ready && !ready_pending_);
  transaction_ = std::move(transaction);
  const size_t count = transaction_.recipients.size();
  outcomes_.assign(count, Outcome());
  settled_.assign(count, false);
  accepted_.assign(count, false);
  message_outcome_ = Outcome();
  mail_sent_ = data_sent_ = body_wanted_ = body_open_ = body_gone_ = false;
  lone_dot_ = message_settled_ = false;
  recipients_sent_ = recipients_good_ = 0;
  pipelined_ = options_.use_pipelining && has(Extension::pipelining);
  use_bdat_ = transaction_.use_bdat && has(Extension::chunking);
  uint64_t most = count;
  if (options_.recipients_max != 0) most = std::min<uint64_t>(most, options_.recipients_max);
  if (capabilities_.rcpt_max != 0) most = std::min<uint64_t>(most, capabilities_.rcpt_max);
  recipients_to_send_ = static_cast<uint32_t>(most);
  for (size_t n = recipients_to_send_; n < count; ++n) {
    outcomes_[n].outcome = OutcomeClass::not_tried;
    settled_[n] = true;
  }
  state_ = State::transaction;
  if (!check_transaction()) finish_transaction();
}

// What the server could not take is not sent. False where nothing is left to send.
bool ClientEngine::check_transaction() {
  std::string_view problem;
  const uint64_t limit = has(Extension::size) ? capabilities_.size_limit : 0;
  if (!is_safe_address(transaction_.sender)) {
    problem = "sender address cannot be sent";
  } else if (transaction_.smtputf8 && !has(Extension::smtputf8)) {
    problem = "SMTPUTF8 is not supported by the server";
  } else if (limit != 0 && transaction_.body_bytes > limit) {
    problem = "message is too big for the server";
  }
  if (!problem.empty()) {
    settle_message({OutcomeClass::message_failed,
                    "MAIL FROM:<" + escape_control(transaction_.sender) + ">",
                    {},
                    std::string(problem)});
    return false;
  }
  bool any = false;
  for (uint32_t n = 0; n < recipients_to_send_; ++n) {
    const std::string& address = transaction_.recipients[n].address;
    if (!address.empty() && is_safe_address(address)) {
      any = true;
      continue;
    }
    outcomes_[n] = {OutcomeClass::recipient_failed,
                    "RCPT TO:<" + escape_control(address) + ">",
                    {},
                    "recipient address cannot be sent"};
    settled_[n] = true;
  }
  return any;
}

void ClientEngine::body_sent() {
  GODWIT_ASSERT(body_open_ || state_ != State::transaction);
  body_open_ = false;
  body_gone_ = true;
}

void ClientEngine::body_failed() {
  body_open_ = false;
  lost("the body could not be read");
}

void ClientEngine::quit() {
  GODWIT_ASSERT(state_ == State::ready);
  ready_pending_ = false;
  state_ = State::quitting;
  output_ += "QUIT\r\n";
  expect(Awaited::quit);
}

void ClientEngine::starttls() {
  GODWIT_ASSERT(state_ == State::ready);
  ready_pending_ = false;
  state_ = State::starttls;
  output_ += "STARTTLS\r\n";
  expect(Awaited::starttls);
}

void ClientEngine::tls_started() {
  GODWIT_ASSERT(state_ == State::starttls && replies_awaited() == 0);
  input_.clear();
  input_at_ = 0;
  parser_ = ReplyParser();
  capabilities_ = Capabilities();
  esmtp_ = false;
  state_ = State::helo;
  send_helo(Awaited::ehlo);
}

void ClientEngine::peer_closed() {
  lost("connection closed");
}

void ClientEngine::timed_out() {
  lost("timed out");
}

// --- outcomes ---

void ClientEngine::settle_message(Outcome outcome) {
  message_settled_ = true;
  for (size_t n = 0; n < outcomes_.size(); ++n) {
    if (settled_[n]) continue;
    settled_[n] = true;
    outcomes_[n] = outcome;
  }
  message_outcome_ = std::move(outcome);
}

void ClientEngine::finish_transaction() {
  if (!message_settled_) {
    message_settled_ = true;
    // Every recipient was refused on its own; the message as such has the last of those answers.
    if (recipients_to_send_ > 0) message_outcome_ = outcomes_[recipients_to_send_ - 1];
  }
  state_ = State::ready;
  done_pending_ = ready_pending_ = true;
}

void ClientEngine::fail_session(Outcome outcome) {
  failure_ = outcome;
  if (state_ == State::transaction) {
    if (!message_settled_) settle_message(std::move(outcome));
    done_pending_ = true;
  }
  state_ = State::failed;
  ready_pending_ = body_wanted_ = false;
  failed_pending_ = true;
}

// The connection is gone, or what came from it makes no sense.
void ClientEngine::lost(std::string problem) {
  if (state_ == State::failed || state_ == State::closed) return;
  if (state_ == State::quitting) {
    state_ = State::closed;
    return;
  }
  Outcome outcome;
  outcome.outcome = body_gone_ && state_ == State::transaction && !lone_dot_
                        ? OutcomeClass::in_doubt
                        : OutcomeClass::host_error;
  if (body_open_) {
    outcome.command = "sending data block";
  } else {
    outcome.command =
        replies_awaited() > 0 ? command_text(expected_[expected_at_]) : "idle connection";
  }
  outcome.problem = std::move(problem);
  fail_session(std::move(outcome));
}

// The command that a reply answers, in the words of Exim's logs.
std::string ClientEngine::command_text(Expected expected) const {
  const std::string pipelined = pipelined_ ? "pipelined " : "";
  switch (expected.what) {
    case Awaited::greeting:
      return "initial connection";
    case Awaited::ehlo:
      return (options_.lmtp ? "LHLO " : "EHLO ") + options_.helo_name;
    case Awaited::helo:
      return "HELO " + options_.helo_name;
    case Awaited::starttls:
      return "STARTTLS";
    case Awaited::rset:
      return "RSET";
    case Awaited::mail:
      return pipelined + mail_line_;
    case Awaited::rcpt:
      return "RCPT TO:<" + transaction_.recipients[expected.recipient].address + ">";
    case Awaited::data:
      return pipelined + "DATA";
    case Awaited::end:
      return "end of data";
    case Awaited::quit:
      return "QUIT";
  }
  GODWIT_UNREACHABLE("awaited reply");
}

Phase ClientEngine::phase() const noexcept {
  if (replies_awaited() == 0) return body_open_ ? Phase::data_block : Phase::idle;
  switch (expected_[expected_at_].what) {
    case Awaited::greeting:
      return Phase::greeting;
    case Awaited::ehlo:
    case Awaited::helo:
      return Phase::helo;
    case Awaited::starttls:
      return Phase::starttls;
    case Awaited::rset:
      return Phase::rset;
    case Awaited::mail:
      return Phase::mail;
    case Awaited::rcpt:
      return Phase::rcpt;
    case Awaited::data:
      return Phase::data_init;
    case Awaited::end:
      return Phase::data_end;
    case Awaited::quit:
      return Phase::quit;
  }
  GODWIT_UNREACHABLE("awaited reply");
}

}  // namespace godwit::smtp
