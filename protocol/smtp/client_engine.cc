#include "protocol/smtp/client_engine.h"

#include "core/base/ascii.h"
#include "core/base/assert.h"
#include "protocol/smtp/limits.h"

#include <algorithm>
#include <utility>

namespace godwit::smtp {
namespace {

constexpr uint16_t kLeaving = 421;
constexpr std::string_view kTimedOut = "timed out";

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

std::string_view domain_of(std::string_view address) noexcept {
  return address.substr(std::min(address.rfind('@') + 1, address.size()));
}

}  // namespace

ClientEngine::ClientEngine(ClientOptions options) : options_(std::move(options)) {
  expect(Awaited::greeting);
  begin_early(options_.known);
}

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
    if (!flights_.empty() && flights_.front().finished) {
      done_ = std::move(flights_.front());
      flights_.pop_front();
      ++first_flight_;
      if (flights_.empty() && state_ == State::transaction) {
        state_ = State::ready;
        ready_pending_ = true;
      }
      return {ClientEventKind::transaction_done, phase(), {}};
    }
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
    if (!flights_.empty() && flights_.front().finished) continue;
    if (std::exchange(body_wanted_, false)) {
      body_open_ = true;
      const BodyForm form = flights_.back().use_bdat ? BodyForm::chunk : BodyForm::dot_stuffed;
      return {ClientEventKind::send_body, Phase::data_block, form};
    }
    if (take_reply()) continue;
    if (!failed_pending_) return {ClientEventKind::need_input, phase(), {}};
  }
}

// Handles one reply; false where more input is needed or the session has failed.
bool ClientEngine::take_reply() {
  const std::string_view rest = std::string_view(input_).substr(input_at_);
  input_at_ += parser_.feed(rest);
  if (parser_.state() == ReplyParser::State::malformed) {
    lost(parser_.problem(), Loss::unclear);
    return false;
  }
  if (parser_.state() == ReplyParser::State::incomplete) return false;
  ServerReply reply = parser_.take();
  if (replies_awaited() == 0) {
    const bool leaving = reply.code == kLeaving;
    Outcome outcome{OutcomeClass::host_error, "idle connection", std::move(reply), {}, {}};
    if (!leaving) outcome.problem = "unexpected reply";
    fail_session(std::move(outcome));
    return false;
  }
  const Expected expected = expected_[expected_at_++];
  if (expected_at_ == expected_.size()) {
    expected_.clear();
    expected_at_ = 0;
  }
  const bool is_of_flight = expected.what > Awaited::starttls && !flights_.empty();
  if (is_of_flight) --flight_of(expected).awaited;
  on_reply(expected, std::move(reply));
  return true;
}

void ClientEngine::on_reply(Expected expected, ServerReply reply) {
  const bool decides = expected.what == Awaited::end || expected.what == Awaited::prdr_end ||
                       expected.what == Awaited::quit;
  if (reply.code == kLeaving && !decides) {
    fail_session({OutcomeClass::host_error, command_text(expected), std::move(reply), {}, {}});
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
      needs_rset_ = false;
      if (reply.digit() == 2) return;
      return fail_session({OutcomeClass::host_error, "RSET", std::move(reply), {}, {}});
    case Awaited::mail:
      return on_mail(flight_of(expected), std::move(reply));
    case Awaited::rcpt:
      return on_rcpt(flight_of(expected), expected, std::move(reply));
    case Awaited::data:
      return on_data(flight_of(expected), expected, std::move(reply));
    case Awaited::end:
      return on_end(flight_of(expected), expected, std::move(reply));
    case Awaited::prdr:
      return on_prdr(flight_of(expected), expected, std::move(reply));
    case Awaited::prdr_end:
      return on_prdr_end(flight_of(expected), expected, std::move(reply));
    case Awaited::quit:
      state_ = State::closed;
      return;
  }
}

void ClientEngine::expect(Awaited what, uint32_t recipient) {
  const bool of_flight = !flights_.empty();
  const auto newest = static_cast<uint32_t>(first_flight_ + (of_flight ? flights_.size() - 1 : 0));
  expected_.push_back({what, recipient, newest});
  if (of_flight) ++flights_.back().awaited;
  note_step(what);
}

void ClientEngine::note_step(Awaited what) {
  constexpr std::string_view kLetters = "-EHSZMRD.--Q";  // in the order of Awaited
  static_assert(kLetters.size() == static_cast<size_t>(Awaited::quit) + 1);
  const char letter = kLetters[static_cast<size_t>(what)];
  if (letter == '-') return;
  if (flights_.empty()) {
    session_steps_ += letter;
    return;
  }
  ClientFlight& flight = flights_.back();
  const bool is_rcpt = what == Awaited::rcpt;
  const uint32_t before = flight.rcpts_in_row;
  flight.rcpts_in_row = is_rcpt ? before + 1 : 0;
  if (!is_rcpt || before == 0) {
    flight.steps += what == Awaited::end && flight.use_bdat ? 'B' : letter;
    return;
  }
  if (before > 1) flight.steps.resize(flight.steps.rfind('R') + 1);
  append_decimal(flight.steps, before + 1);
}

// --- intents and facts ---

bool ClientEngine::may_begin(const Transaction& transaction) const {
  if (state_ == State::ready) return !ready_pending_;
  if (state_ != State::transaction || options_.lmtp || !takes_more()) return false;
  if (flights_.size() >= options_.pipeline_depth || body_wanted_ || body_open_) return false;
  const ClientFlight& newest = flights_.back();
  if (!newest.pipelined || !newest.use_bdat || !newest.data_sent) return false;
  const size_t count = transaction.recipients.size();
  const bool fits =
      count <= kPipelinedRecipientsMax - std::min(replies_awaited(), kPipelinedRecipientsMax) &&
      (options_.recipients_max == 0 || count <= options_.recipients_max) &&
      (capabilities_.rcpt_max == 0 || count <= capabilities_.rcpt_max) &&
      (capabilities_.rcpt_domain_max == 0 || count <= capabilities_.rcpt_domain_max);
  return fits && transaction.use_bdat && !transaction.is_probe &&
         transaction.body_bytes <= kEagerBodyBytesMax;
}

void ClientEngine::begin(Transaction transaction) {
  GODWIT_ASSERT(may_begin(transaction));
  ClientFlight flight;
  const size_t count = transaction.recipients.size();
  flight.outcomes.assign(count, Outcome());
  flight.settled.assign(count, false);
  flight.accepted.assign(count, false);
  flight.pipelined = options_.use_pipelining && has(Extension::pipelining);
  flight.use_bdat = transaction.use_bdat && has(Extension::chunking);
  flight.wants_rset = needs_rset_ || !flights_.empty();
  flight.is_early = was_early_ && begun_ == 0;
  flight.transaction = std::move(transaction);
  flight.steps = std::exchange(session_steps_, {});
  choose_recipients(flight);
  ++begun_;
  state_ = State::transaction;
  flights_.push_back(std::move(flight));
  if (check_transaction(flights_.back())) return;
  if (!believes_) return finish(flights_.back());
  // What is only believed of a server refuses no message.
  flights_.back().message_settled = false;
  flights_.back().settled.assign(count, false);
  Outcome outcome;
  outcome.command = "MAIL";
  outcome.problem = "is not known well enough";
  fail_session(std::move(outcome));
}

// The server may take fewer recipients at a time, or of fewer domains, than there are.
void ClientEngine::choose_recipients(ClientFlight& flight) const {
  const std::vector<ClientRecipient>& recipients = flight.transaction.recipients;
  uint64_t most = recipients.size();
  if (options_.recipients_max != 0) most = std::min<uint64_t>(most, options_.recipients_max);
  if (capabilities_.rcpt_max != 0) most = std::min<uint64_t>(most, capabilities_.rcpt_max);
  std::vector<std::string_view> domains;
  size_t tried = 0;
  for (uint32_t n = 0; n < recipients.size(); ++n) {
    bool takes = tried < most;
    if (takes && capabilities_.rcpt_domain_max != 0) {
      const std::string_view domain = domain_of(recipients[n].address);
      const bool is_known = std::ranges::any_of(
          domains, [&](std::string_view known) { return equals_ignore_case(known, domain); });
      takes = is_known || domains.size() < capabilities_.rcpt_domain_max;
      if (takes && !is_known) domains.push_back(domain);
    }
    if (takes) {
      ++tried;
      flight.last_tried = n;
      continue;
    }
    flight.is_partial = true;
    flight.outcomes[n].outcome = OutcomeClass::not_tried;
    flight.settled[n] = true;
  }
  flight.use_prdr =
      flight.transaction.use_prdr && has(Extension::prdr) && !options_.lmtp && tried > 1;
}

// What the server could not take is not sent. False where nothing is left to send.
bool ClientEngine::check_transaction(ClientFlight& flight) {
  const Transaction& transaction = flight.transaction;
  std::string_view problem;
  std::string_view enhanced;
  const uint64_t limit = has(Extension::size) ? capabilities_.size_limit : 0;
  if (!is_safe_address(transaction.sender)) {
    problem = "sender address cannot be sent";
  } else if (transaction.smtputf8 && !has(Extension::smtputf8)) {
    problem = "utf8 support required but not offered for forwarding";
    enhanced = "5.6.7";
  } else if (limit != 0 && transaction.body_bytes > limit) {
    problem = "message is too big for the server";
    enhanced = "5.3.4";
  }
  if (!problem.empty()) {
    Outcome outcome;
    outcome.outcome = OutcomeClass::message_failed;
    outcome.command = "MAIL FROM:<" + escape_control(transaction.sender) + ">";
    outcome.problem = problem;
    outcome.status = enhanced;
    settle_message(flight, std::move(outcome));
    return false;
  }
  bool any = false;
  for (uint32_t n = 0; n < transaction.recipients.size(); ++n) {
    if (flight.settled[n]) continue;
    const std::string& address = transaction.recipients[n].address;
    if (!address.empty() && is_safe_address(address)) {
      any = true;
      continue;
    }
    flight.outcomes[n] = {OutcomeClass::recipient_failed,
                          "RCPT TO:<" + escape_control(address) + ">",
                          {},
                          "recipient address cannot be sent",
                          {}};
    flight.settled[n] = true;
  }
  return any;
}

void ClientEngine::body_sent() {
  GODWIT_ASSERT(body_open_ || state_ != State::transaction);
  if (!body_open_) return;
  body_open_ = false;
  flights_.back().body_gone = true;
}

void ClientEngine::body_failed() {
  body_open_ = false;
  lost("the body could not be read", Loss::unclear);
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
  helo_text_.clear();
  esmtp_ = false;
  state_ = State::helo;
  if (!begin_early(options_.known_in_tls)) send_helo(Awaited::ehlo);
}

void ClientEngine::peer_closed() {
  lost("connection closed", Loss::closed);
}

void ClientEngine::timed_out() {
  believes_ = false;  // silence has other causes
  lost(std::string(kTimedOut), Loss::unclear);
}

// --- outcomes ---

void ClientEngine::settle_message(ClientFlight& flight, Outcome outcome) {
  flight.message_settled = true;
  for (size_t n = 0; n < flight.outcomes.size(); ++n) {
    if (flight.settled[n]) continue;
    flight.settled[n] = true;
    flight.outcomes[n] = outcome;
  }
  flight.message_outcome = std::move(outcome);
}

// True where no reply is to come that could change anything, and nothing is to be sent.
bool ClientEngine::is_over(const ClientFlight& flight) const noexcept {
  if (flight.awaited > 0 || !(flight.message_settled || flight.data_sent)) return false;
  return &flight != &flights_.back() || (!body_wanted_ && !body_open_);
}

void ClientEngine::finish(ClientFlight& flight) {
  if (!flight.message_settled) {
    flight.message_settled = true;
    // Every recipient was refused on its own; the message as such has the last of those answers.
    if (!flight.outcomes.empty()) flight.message_outcome = flight.outcomes[flight.last_tried];
  }
  flight.finished = true;
}

void ClientEngine::fail_session(Outcome outcome, Loss loss) {
  for (ClientFlight& flight : flights_) {
    if (!flight.message_settled) settle_message(flight, outcome_of_lost(flight, outcome, loss));
    flight.finished = true;
  }
  belief_wrong_ = std::exchange(believes_, false);
  failure_ = std::move(outcome);
  state_ = State::failed;
  ready_pending_ = body_wanted_ = false;
  failed_pending_ = true;
}

// `first`: what became of the transaction whose turn it was to be answered.
Outcome ClientEngine::outcome_of_lost(const ClientFlight& flight, const Outcome& first,
                                      Loss loss) const {
  const bool was_told = first.reply.code == kLeaving;
  Outcome out;
  if (&flight == &flights_.front()) {
    out = first;
  } else {
    out.command = "pipelined " + flight.mail_line;
    out.problem = first.problem.empty() ? "closed by server" : first.problem;
    out.malformed = first.malformed;
    // A server that leaves in order has not taken what it did not answer.
    if (flight.body_gone && loss == Loss::unclear) out.outcome = OutcomeClass::in_doubt;
  }
  const bool is_clear = loss == Loss::closed || !flight.body_gone;
  out.is_untouched = !flight.mail_answered && is_clear && (was_told || first.reply.code == 0);
  if (out.is_untouched) out.outcome = OutcomeClass::host_error;
  return out;
}

// The connection is gone, or what came from it makes no sense.
void ClientEngine::lost(std::string problem, Loss loss) {
  if (state_ == State::failed || state_ == State::closed) return;
  if (state_ == State::quitting) {
    state_ = State::closed;
    return;
  }
  Outcome outcome;
  if (!flights_.empty() && flights_.front().body_gone && !flights_.front().lone_dot)
    outcome.outcome = OutcomeClass::in_doubt;
  outcome.malformed = parser_.malformed();
  if (body_open_ && flights_.size() == 1) {
    outcome.command = "sending data block";
  } else if (replies_awaited() == 0) {
    outcome.command = "idle connection";
  } else {
    const Expected next = expected_[expected_at_];
    // A refusal of one recipient, and silence, are worded without it.
    if (next.what == Awaited::rcpt && flight_of(next).pipelined && problem != kTimedOut)
      outcome.command = "pipelined ";
    outcome.command += command_text(next);
  }
  outcome.problem = std::move(problem);
  fail_session(std::move(outcome), loss);
}

// The command that a reply answers, in the words of Exim's logs.
std::string ClientEngine::command_text(Expected expected) const {
  const ClientFlight* flight =
      flights_.empty() ? nullptr : &flights_[expected.flight - first_flight_];
  const std::string pipelined = flight != nullptr && flight->pipelined ? "pipelined " : "";
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
      return pipelined + flight->mail_line;
    case Awaited::rcpt:
      return "RCPT TO:<" + flight->transaction.recipients[expected.recipient].address + ">";
    case Awaited::data:
      return pipelined + "DATA";
    case Awaited::end:
    case Awaited::prdr:
    case Awaited::prdr_end:
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
    case Awaited::prdr:
    case Awaited::prdr_end:
      return Phase::data_end;
    case Awaited::quit:
      return Phase::quit;
  }
  GODWIT_UNREACHABLE("awaited reply");
}

}  // namespace godwit::smtp
