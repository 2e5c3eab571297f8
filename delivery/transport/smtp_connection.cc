#include "delivery/transport/smtp_connection.h"

#include "acl/expand/text_encoding.h"
#include "core/base/ascii.h"

#include <utility>

namespace godwit::delivery {

std::optional<int> parse_utf8_downconvert(std::string_view text) {
  text = trim(text);
  if (text == "1") return 1;
  if (text == "0") return 0;
  if (text == "-1") return -1;
  return std::nullopt;
}

SmtpConnection::SmtpConnection(Loop& loop, Connector& connector, const SmtpTransport& transport,
                               std::string host_name, Endpoint to, bool is_mx)
    : loop_(loop), connector_(connector), transport_(transport) {
  auto remote = std::make_shared<RemoteInfo>();
  remote->host_name = std::move(host_name);
  remote->endpoint = to;
  remote->is_mx = is_mx;
  peer_.remote = std::move(remote);
  peer_.is_lmtp = transport_.is_lmtp();
}

SmtpConnection::~SmtpConnection() = default;

void SmtpConnection::set_phase_deadline(smtp::Phase phase) {
  const SmtpOptions& options = transport_.smtp();
  Seconds limit = command_timeout_.value_or(options.command_timeout);
  if (phase == smtp::Phase::data_end) limit = options.final_timeout;
  if (phase == smtp::Phase::data_block) limit = options.data_timeout;
  if (phase == smtp::Phase::quit) limit = quit_timeout_;
  const Instant deadline = limit.count == 0 ? Instant::never() : loop_.clock().now() + limit;
  stream().set_deadline(deadline);
}

// Sends and receives until the engine has news other than "more input, please", or nudge().
Task<std::optional<smtp::ClientEvent>> SmtpConnection::pump() {
  if (kept_event_) co_return std::exchange(kept_event_, std::nullopt);
  for (;;) {
    const smtp::ClientEvent event = engine_->next();
    if (event.kind == smtp::ClientEventKind::send_body) co_return event;  // goes out with the body
    // What opens the session goes out with the first transaction.
    if (event.kind == smtp::ClientEventKind::ready && waiting_) co_return event;
    if (engine_->has_output() && !unconnected_) {
      const std::string output = engine_->take_output();
      size_t first_sent = 0;
      if (waiting_) {
        const Result<size_t> connected = co_await connect_with(output);
        if (!connected) note_failure(connected.error());
        if (!connected) continue;
        first_sent = *connected;
      }
      set_phase_deadline(event.phase);
      const Result<void> sent =
          co_await stream().write(std::string_view(output).substr(first_sent));
      if (!sent) {
        note_failure(sent.error());
        continue;
      }
    }
    if (event.kind != smtp::ClientEventKind::need_input) co_return event;
    set_phase_deadline(event.phase);
    const Result<std::string_view> got = co_await stream().read();
    if (std::exchange(nudged_, false) && !got && got.error().is_cancelled() && !aborted_)
      co_return std::nullopt;
    if (got && !got->empty()) {
      engine_->receive(*got);
    } else if (!got) {
      note_failure(got.error());
    } else {
      engine_->peer_closed();
    }
  }
}

// The same where nobody nudges.
Task<smtp::ClientEvent> SmtpConnection::pump_to_event() {
  for (;;) {
    const std::optional<smtp::ClientEvent> event = co_await pump();
    if (event) co_return *event;
  }
}

void SmtpConnection::note_failure(const Error& error) {
  if (error.code() == Errc::timed_out) {
    engine_->timed_out();
  } else {
    engine_->peer_closed();
  }
}

void SmtpConnection::nudge() {
  nudged_ = true;
  stream().wake_reader();  // may destroy this
}

smtp::Transaction SmtpConnection::transaction_of(const SmtpJob& job) const {
  const Envelope& envelope = job.envelope;
  const int64_t size_addition = transport_.smtp().size_addition;
  smtp::Transaction transaction;
  transaction.sender = job.sender;
  transaction.recipients = job.recipients;
  transaction.body_bytes = job.content.message_bytes();
  transaction.declares_size = size_addition >= 0;
  if (size_addition >= 0) {
    transaction.size_to_declare = transaction.body_bytes + static_cast<uint64_t>(size_addition);
  }
  if (envelope.body_8bit) transaction.body = smtp::BodyKind::eight_bit_mime;
  transaction.ret = envelope.dsn_ret == DsnRet::full      ? smtp::DsnReturn::full
                    : envelope.dsn_ret == DsnRet::headers ? smtp::DsnReturn::headers
                                                          : smtp::DsnReturn::unspecified;
  transaction.envid = envelope.dsn_envid;
  transaction.smtputf8 = envelope.smtputf8;
  transaction.use_prdr = prdr_;
  transaction.use_bdat = chunking_ && !envelope.has_bare_line_ends;
  return transaction;
}

// --- Jobs ----------------------------------------------------------------------------------------

bool SmtpConnection::may_start(const SmtpJob& job) const {
  if (!usable_ || kept_event_ || jobs_.empty()) return usable_ && jobs_.empty();
  // What the server left out of a job goes before anything else.
  if (!engine_->takes_all()) return false;
  return engine_->may_begin(transaction_of(job));
}

Task<void> SmtpConnection::start(SmtpJob job) {
  Flight& flight = jobs_.emplace_back(Flight{std::move(job), {}, {}, {}});
  const size_t count = flight.job.recipients.size();
  flight.outcomes.resize(count);
  for (size_t n = 0; n < count; ++n) flight.left.push_back(n);
  ++messages_sent_;
  begin(flight);
  const smtp::ClientEvent event = engine_->next();
  if (event.kind == smtp::ClientEventKind::send_body) {
    co_await write_body(event);
  } else if (event.kind != smtp::ClientEventKind::need_input) {
    kept_event_ = event;
  }
}

void SmtpConnection::begin(const Flight& flight) {
  smtp::Transaction transaction = transaction_of(flight.job);
  if (flight.left.size() != flight.job.recipients.size()) {
    transaction.recipients.clear();
    for (size_t n : flight.left) transaction.recipients.push_back(flight.job.recipients[n]);
  }
  if (transaction.smtputf8) downconvert(transaction, flight.job);
  engine_->begin(std::move(transaction));
}

// Envelope addresses in ASCII, where that is wanted of this host. What cannot be said so stays, and
// goes where UTF-8 is taken only.
void SmtpConnection::downconvert(smtp::Transaction& transaction, const SmtpJob& job) const {
  const Envelope& envelope = job.envelope;
  const int of_message = envelope.utf8_downconvert ? 1 : envelope.utf8_downconvert_if ? -1 : 0;
  const int mode = job.utf8_downconvert.value_or(of_message);
  const bool takes_utf8 = engine_->capabilities().has(smtp::Extension::smtputf8);
  if (mode == 0 || (mode == -1 && takes_utf8)) return;
  const std::optional<std::string> sender = acl::address_to_ascii(transaction.sender);
  if (!sender) return;
  std::vector<std::string> recipients;
  for (const smtp::ClientRecipient& to : transaction.recipients) {
    std::optional<std::string> address = acl::address_to_ascii(to.address);
    if (!address) return;
    recipients.push_back(std::move(*address));
  }
  transaction.sender = *sender;
  for (size_t n = 0; n < recipients.size(); ++n)
    transaction.recipients[n].address = std::move(recipients[n]);
  transaction.smtputf8 = false;
}

// The newest job's.
Task<void> SmtpConnection::write_body(smtp::ClientEvent event) {
  Flight& flight = jobs_.back();
  const Result<void> sent =
      co_await send_body(flight.job.content, event.form, !flight.job.envelope.has_bare_line_ends);
  if (sent) {
    engine_->body_sent();
  } else if (sent.error().code() == Errc::timed_out || sent.error().is_cancelled() ||
             sent.error().code() == Errc::connection_reset) {
    note_failure(sent.error());
  } else {
    flight.spool_error.emplace(sent.error());
    engine_->body_failed();
  }
}

Task<std::optional<std::vector<DeliveryOutcome>>> SmtpConnection::finish() {
  for (;;) {
    const std::optional<smtp::ClientEvent> event = co_await pump();
    if (!event) co_return std::nullopt;
    if (event->kind == smtp::ClientEventKind::send_body) {
      co_await write_body(*event);
      continue;
    }
    Flight& flight = jobs_.front();
    note_outcomes(flight);
    // After its outcome: ready for more, or the server is leaving.
    if (engine_->under_way() == 0) {
      const smtp::ClientEvent after = co_await pump_to_event();
      usable_ = after.kind == smtp::ClientEventKind::ready && engine_->takes_more();
    }
    if (!flight.left.empty() && usable_) {
      begin(flight);
      continue;
    }
    for (size_t n : flight.left) flight.outcomes[n] = untaken();
    std::vector<DeliveryOutcome> outcomes = std::move(flight.outcomes);
    jobs_.pop_front();
    if (!usable_ && jobs_.empty() && socket_ != nullptr) stream().close();
    co_return outcomes;
  }
}

// What the engine says of the transaction that has just ended. The server may take fewer recipients
// at a time than there are (RFC 9422): those that were not tried are left.
void SmtpConnection::note_outcomes(Flight& flight) {
  if (peer_.remote->helo_reply.empty() && !unconnected_) {  // it began before it was answered
    remember_ehlo();
    note_remote();
  }
  std::vector<size_t> left;
  for (size_t i = 0; i < flight.left.size(); ++i) {
    const smtp::Outcome& outcome = engine_->outcomes()[i];
    const size_t recipient = flight.left[i];
    if (outcome.outcome == smtp::OutcomeClass::not_tried) {
      left.push_back(recipient);
      continue;
    }
    DeliveryOutcome& out = flight.outcomes[recipient];
    out = outcome_of(peer_, outcome);
    out.pipelined = engine_->was_pipelined();
    out.early = engine_->was_early();
    out.steps = engine_->steps();
    out.belief_wrong = engine_->was_belief_wrong();
    out.chunked = engine_->used_bdat();
    out.prdr = engine_->used_prdr();
    if (unconnected_) out = *unconnected_;
    if (!flight.spool_error || out.kind == OutcomeKind::delivered) continue;
    out = DeliveryOutcome();
    out.text = "reading the spool failed: " + flight.spool_error->to_string();
  }
  flight.left = std::move(left);
}

// For a recipient that was left when the connection had to end: another one may take it at once.
DeliveryOutcome SmtpConnection::untaken() const {
  DeliveryOutcome out;
  out.remote = peer_.remote;
  out.error_number = kErrorRetryNotReached;
  out.next_try = loop_.clock().wall();
  out.text = "the host takes no more recipients on this connection";
  return out;
}

Task<std::vector<DeliveryOutcome>> SmtpConnection::send(SmtpJob job) {
  co_await start(std::move(job));
  for (;;) {
    std::optional<std::vector<DeliveryOutcome>> outcomes = co_await finish();
    if (outcomes) co_return std::move(*outcomes);
  }
}

Task<smtp::Outcome> SmtpConnection::probe(std::string sender, std::string recipient,
                                          uint64_t message_bytes) {
  const int64_t size_addition = transport_.smtp().size_addition;
  smtp::Transaction transaction;
  transaction.declares_size = message_bytes > 0 && size_addition >= 0;
  if (transaction.declares_size)
    transaction.size_to_declare = message_bytes + static_cast<uint64_t>(size_addition);
  transaction.sender = std::move(sender);
  transaction.recipients.push_back({std::move(recipient), 0, {}});
  transaction.is_probe = true;
  engine_->begin(std::move(transaction));
  const smtp::ClientEvent done = co_await pump_to_event();
  if (done.kind != smtp::ClientEventKind::transaction_done) {
    usable_ = false;
    co_return smtp::Outcome();
  }
  smtp::Outcome outcome = engine_->outcomes().front();
  const smtp::ClientEvent after = co_await pump_to_event();
  usable_ = after.kind == smtp::ClientEventKind::ready && engine_->takes_more();
  co_return outcome;
}

Task<void> SmtpConnection::quit(Seconds limit) {
  if (socket_ == nullptr) co_return;
  quit_timeout_ = limit;
  if (usable_ || (engine_ != nullptr && engine_->is_ready())) {
    usable_ = false;
    engine_->quit();
    co_await pump_to_event();
  }
  stream().close();
}

}  // namespace godwit::delivery
