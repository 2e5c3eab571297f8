// ClientEngine: what the server's replies mean.
#include "core/base/ascii.h"
#include "protocol/smtp/client_engine.h"

#include <algorithm>
#include <utility>

namespace godwit::smtp {
namespace {

constexpr uint16_t kLeaving = 421;
constexpr uint16_t kPrdrBegins = 353;
constexpr uint16_t kTooManyRecipients = 552;

// RFC 5321 4.5.3.1.10: 552 to RCPT was once "too many recipients", which is to be tried again. It
// can be meant so behind others that were taken; mailboxes that are full say it as well.
bool means_too_many(const ClientFlight& flight, const ServerReply& reply) noexcept {
  constexpr std::string_view kTooMany = "5.5.3";  // RFC 3463 3.6
  return reply.code == kTooManyRecipients && flight.recipients_good > 0 &&
         (reply.enhanced.empty() || reply.enhanced == kTooMany);
}

// What makes no sense as an answer (3yz) is no refusal for ever.
Outcome message_outcome_for(std::string command, ServerReply reply) {
  const OutcomeClass outcome = reply.digit() == 2   ? OutcomeClass::delivered
                               : reply.digit() == 5 ? OutcomeClass::message_failed
                                                    : OutcomeClass::message_deferred;
  return {outcome, std::move(command), std::move(reply), {}, {}};
}

// The same, of an answer that is about one recipient.
Outcome recipient_outcome_for(std::string command, ServerReply reply) {
  Outcome out = message_outcome_for(std::move(command), std::move(reply));
  if (out.outcome == OutcomeClass::message_deferred) out.outcome = OutcomeClass::recipient_deferred;
  if (out.outcome == OutcomeClass::message_failed) out.outcome = OutcomeClass::recipient_failed;
  out.is_of_recipient = true;
  return out;
}

}  // namespace

void ClientEngine::on_greeting(ServerReply reply) {
  greeting_ = reply;
  if (reply.digit() != 2) return refuse_session("initial connection", std::move(reply));
  if (believes_) return;  // it was sent
  state_ = State::helo;
  send_helo(options_.use_esmtp || options_.lmtp ? Awaited::ehlo : Awaited::helo);
}

void ClientEngine::on_helo(Expected expected, ServerReply reply) {
  if (believes_) return check_belief(expected, std::move(reply));
  const bool extended = expected.what == Awaited::ehlo;
  if (reply.digit() == 2) {
    esmtp_ = extended;
    helo_reply_ = reply.full_text();
    helo_text_ = reply.text;
    capabilities_ = extended ? parse_capabilities(reply.text) : Capabilities();
    state_ = State::ready;
    ready_pending_ = true;
  } else if (extended && reply.digit() == 5 && !options_.lmtp) {
    send_helo(Awaited::helo);  // RFC 5321 3.2
  } else {
    refuse_session(command_text(expected), std::move(reply));
  }
}

// The host will not do business with us. What was said in a mere belief may be why.
void ClientEngine::refuse_session(std::string command, ServerReply reply) {
  const bool for_good = reply.digit() == 5 && !believes_;
  fail_session({for_good ? OutcomeClass::host_failed : OutcomeClass::host_error,
                std::move(command),
                std::move(reply),
                {},
                {}});
}

void ClientEngine::check_belief(Expected expected, ServerReply reply) {
  if (reply.digit() == 2) {
    helo_reply_ = reply.full_text();
    helo_text_ = reply.text;
    Capabilities offered = parse_capabilities(reply.text);
    if (offered.justifies(capabilities_)) {
      capabilities_ = std::move(offered);
      believes_ = false;
      return;
    }
  }
  fail_session({OutcomeClass::host_error, command_text(expected), std::move(reply), {}, {}});
}

// RFC 3207 4. What came in clear behind the reply was not said by the server that the handshake
// will prove: there is no going on with it.
void ClientEngine::on_starttls(ServerReply reply) {
  if (reply.digit() != 2) {
    tls_refusal_ = std::move(reply);
    state_ = State::ready;
    tls_pending_ = true;
  } else if (input_at_ != input_.size()) {
    fail_session(
        {OutcomeClass::host_error, "STARTTLS", {}, "sent data in clear before TLS began", {}});
  } else {
    tls_pending_ = true;
  }
}

void ClientEngine::on_mail(ClientFlight& flight, ServerReply reply) {
  flight.mail_answered = true;
  if (reply.digit() == 2) {
    needs_rset_ = true;
    return;
  }
  const std::string pipelined = flight.pipelined ? "pipelined " : "";
  settle_message(flight, message_outcome_for(pipelined + flight.mail_line, std::move(reply)));
}

void ClientEngine::on_rcpt(ClientFlight& flight, Expected expected, ServerReply reply) {
  if (flight.message_settled) return;  // MAIL was refused: every RCPT after it is as well
  const uint32_t recipient = expected.recipient;
  if (reply.digit() == 2) {
    flight.accepted[recipient] = true;
    ++flight.recipients_good;
    return;
  }
  const bool again = reply.digit() != 5 || means_too_many(flight, reply);
  flight.outcomes[recipient] = {
      again ? OutcomeClass::recipient_deferred : OutcomeClass::recipient_failed,
      command_text(expected),
      std::move(reply),
      {},
      {}};
  flight.settled[recipient] = true;
}

void ClientEngine::on_data(ClientFlight& flight, Expected expected, ServerReply reply) {
  const bool anybody = flight.recipients_good > 0 && !flight.message_settled;
  if (reply.digit() == 3) {
    if (anybody) return start_body(flight);
    // RFC 2920 3.1: the server waits for a message that nobody would get. End it at once.
    output_ += ".\r\n";
    flight.lone_dot = true;
    expect(Awaited::end);
    return;
  }
  if (!anybody) return;
  if (reply.digit() == 2) {
    return fail_session(
        {OutcomeClass::host_error, command_text(expected), std::move(reply), {}, {}});
  }
  settle_message(flight, message_outcome_for(command_text(expected), std::move(reply)));
}

void ClientEngine::on_end(ClientFlight& flight, Expected expected, ServerReply reply) {
  const bool leaving = reply.code == kLeaving;
  // A chunk that was sent before the answers to RCPT came is refused when all of those were.
  const bool counts =
      !flight.lone_dot && !flight.message_settled && (options_.lmtp || flight.recipients_good > 0);
  if (reply.code == kPrdrBegins && flight.use_prdr && counts)
    return await_prdr(flight, expected.flight);
  flight.use_prdr = false;                              // the server chose one answer for all
  needs_rset_ = flight.use_bdat && reply.digit() != 2;  // RFC 3030 2: a failed BDAT wants a RSET
  const bool odd = reply.digit() == 3;
  Outcome outcome;
  if (options_.lmtp && counts) {  // RFC 2033 4.2: each answer is about one recipient
    outcome = recipient_outcome_for(command_text(expected), std::move(reply));
    flight.outcomes[expected.recipient] = outcome;
    flight.settled[expected.recipient] = true;
  } else {
    outcome = message_outcome_for(command_text(expected), std::move(reply));
  }
  if (odd) outcome.outcome = OutcomeClass::in_doubt;
  if (counts && flight.awaited == 0) settle_message(flight, std::move(outcome));
  // An answer to a body that is not out yet: what is left of it would be read as commands.
  const bool is_early = body_open_ && &flight == &flights_.back();
  if (leaving || odd || is_early) {
    fail_session({OutcomeClass::host_error, command_text(expected), {}, "closed by server", {}},
                 odd ? Loss::unclear : Loss::closed);
  }
}

// --- PRDR: 353, an answer for each recipient that was taken, and one about the message ---

void ClientEngine::await_prdr(ClientFlight& flight, uint32_t serial) {
  std::vector<Expected> answers;
  for (uint32_t n = 0; n < flight.accepted.size(); ++n) {
    if (flight.accepted[n]) answers.push_back({Awaited::prdr, n, serial});
  }
  answers.push_back({Awaited::prdr_end, 0, serial});
  flight.awaited += static_cast<uint32_t>(answers.size());
  expected_.insert(expected_.begin() + static_cast<ptrdiff_t>(expected_at_), answers.begin(),
                   answers.end());
}

void ClientEngine::on_prdr(ClientFlight& flight, Expected expected, ServerReply reply) {
  if (reply.digit() == 3) return lost("unexpected reply to a recipient of PRDR", Loss::unclear);
  const bool is_good = reply.digit() == 2;
  flight.outcomes[expected.recipient] =
      recipient_outcome_for(command_text(expected), std::move(reply));
  // Who was refused stays so; who was taken waits for the word about the message.
  flight.settled[expected.recipient] = !is_good;
}

void ClientEngine::on_prdr_end(ClientFlight& flight, Expected expected, ServerReply reply) {
  const bool leaving = reply.code == kLeaving;
  const int digit = reply.digit();
  needs_rset_ = flight.use_bdat && digit != 2;
  Outcome outcome = message_outcome_for(command_text(expected), std::move(reply));
  for (size_t n = 0; n < flight.outcomes.size(); ++n) {
    if (!flight.accepted[n]) continue;
    if (digit == 2 && !flight.settled[n]) {
      flight.outcomes[n].overall = outcome.reply.full_text();
      flight.settled[n] = true;
    } else if (digit == 5) {
      flight.settled[n] = false;  // 5yz is about everybody
    }
  }
  settle_message(flight, std::move(outcome));
  if (leaving) {
    fail_session({OutcomeClass::host_error, command_text(expected), {}, "closed by server", {}});
  }
}

}  // namespace godwit::smtp
