#include "delivery/transport/smtp_transport.h"

#include "core/base/ascii.h"
#include "delivery/transport/tls_facts.h"
#include "protocol/smtp/dot_stuff.h"

#include <utility>

namespace godwit::delivery {
namespace {

constexpr Seconds kQuitTimeout{5};

// How logs name a host: "name [address]".
std::string host_text(const std::string& name, const Endpoint& to) {
  return name + " [" + to.address.to_string() + "]";
}

// A reply of several lines on one: Exim's logs show "\n" between them.
std::string one_line(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

FailureScope scope_of(smtp::OutcomeClass outcome) {
  switch (outcome) {
    case smtp::OutcomeClass::recipient_deferred:
    case smtp::OutcomeClass::recipient_failed:
      return FailureScope::recipient;
    case smtp::OutcomeClass::message_deferred:
    case smtp::OutcomeClass::message_failed:
      return FailureScope::message;
    case smtp::OutcomeClass::host_error:
    case smtp::OutcomeClass::in_doubt:
      return FailureScope::host;
    case smtp::OutcomeClass::delivered:
    case smtp::OutcomeClass::not_tried:
      break;
  }
  return FailureScope::none;
}

// What retry rules call a refusal, from the command that was refused.
retry::RetryError retry_error_of(const smtp::Outcome& outcome) {
  if (outcome.reply.code == 0) {
    return outcome.problem.find("timed out") != std::string::npos
               ? retry::RetryError::timeout
               : retry::RetryError::lost_connection;
  }
  if (outcome.reply.digit() != 4) return retry::RetryError::other;
  if (outcome.command.find("RCPT") != std::string::npos) return retry::RetryError::rcpt_4xx;
  if (outcome.command.find("MAIL") != std::string::npos) return retry::RetryError::mail_4xx;
  if (outcome.command.find("dat") != std::string::npos ||
      outcome.command.find("DAT") != std::string::npos) {
    return retry::RetryError::data_4xx;
  }
  return retry::RetryError::other;
}

int error_number_of(const smtp::Outcome& outcome, retry::RetryError error) {
  switch (error) {
    case retry::RetryError::rcpt_4xx:
      return kErrorRcpt4xx;
    case retry::RetryError::mail_4xx:
      return kErrorMail4xx;
    case retry::RetryError::data_4xx:
      return kErrorData4xx;
    case retry::RetryError::timeout:
      return ETIMEDOUT;
    case retry::RetryError::lost_connection:
      return kErrorConnectionLost;
    default:
      return outcome.reply.code == 0 ? kErrorConnectionLost : kErrorNone;
  }
}

}  // namespace

Task<DeliveryOutcome> SmtpTransport::deliver(Loop&, LocalDelivery) const {
  GODWIT_UNREACHABLE("a remote transport is driven by destination queues");
}

SmtpConnection::SmtpConnection(Loop& loop, const SmtpTransport& transport, std::string host_name,
                               Endpoint to, bool is_mx)
    : loop_(loop), transport_(transport), to_(to), host_name_(std::move(host_name)), is_mx_(is_mx) {
  auto remote = std::make_shared<RemoteInfo>();
  remote->host_name = host_name_;
  remote->endpoint = to_;
  remote->is_mx = is_mx_;
  remote_ = std::move(remote);
}

SmtpConnection::~SmtpConnection() = default;

Task<std::optional<DeliveryOutcome>> SmtpConnection::open(SmtpOpening opening) {
  events_ = opening.events;
  if (events_ != nullptr) {
    acl::EventFacts event{"tcp:connect", {}, 0};
    const std::string refusal = co_await events_->raise(std::move(event), *remote_);
    if (!refusal.empty())
      co_return refused_by_event(kErrorEvent, "Event requests alternate response");
  }
  ConnectOptions options;
  options.to = to_;
  options.from = opening.from;
  options.timeout = transport_.smtp().connect_timeout;
  Result<std::unique_ptr<UvStream>> connected = co_await connect(loop_, options);
  if (!connected) co_return host_failure(connected.error());
  socket_ = std::move(*connected);
  chunking_ = opening.chunking;
  plan_ = std::move(opening.tls);

  smtp::ClientOptions engine_options;
  engine_options.helo_name = std::move(opening.helo_name);
  engine_options.use_pipelining = opening.pipelining;
  engine_options.use_esmtp = opening.esmtp;
  engine_options.lmtp = transport_.is_lmtp();
  engine_options.recipients_max = 0;  // the queue cuts transactions
  engine_ = std::make_unique<smtp::ClientEngine>(std::move(engine_options));

  std::optional<DeliveryOutcome> failure = co_await begin_session();
  note_remote();
  if (failure) {
    failure->remote = remote_;
    stream().close();
    co_await tell_tls_failure(*failure);
  }
  events_ = nullptr;
  co_return failure;
}

// From the first byte to the EHLO that counts.
Task<std::optional<DeliveryOutcome>> SmtpConnection::begin_session() {
  if (plan_.on_connect) {
    std::optional<DeliveryOutcome> failure = co_await shake_hands();
    if (failure) co_return failure;
  }
  const smtp::ClientEvent greeted = co_await pump();
  if (greeted.kind != smtp::ClientEventKind::ready) co_return outcome_of(engine_->failure());
  std::optional<DeliveryOutcome> refusal = co_await tell_greeting();
  if (refusal) co_return refusal;
  if (tls_ == nullptr && plan_.attempts) {
    std::optional<DeliveryOutcome> failure = co_await start_tls();
    if (failure) co_return failure;
  }
  usable_ = true;
  co_return std::nullopt;
}

Task<std::optional<DeliveryOutcome>> SmtpConnection::start_tls() {
  if (!engine_->capabilities().has(smtp::Extension::starttls)) {
    if (!plan_.requires_tls) co_return std::nullopt;
    co_return tls_failure(kErrorTlsRequired,
                          "a TLS session is required, but the server did not offer TLS support");
  }
  engine_->starttls();
  const smtp::ClientEvent answered = co_await pump();
  if (answered.kind == smtp::ClientEventKind::tls_refused) {
    const smtp::ServerReply& refusal = engine_->tls_refusal();
    // RFC 3207 4.1: a server that cannot now may be taken at its word, in clear.
    if (plan_.tries_clear || (refusal.digit() == 5 && !plan_.requires_tls)) co_return std::nullopt;
    co_return tls_failure(kErrorTlsRequired,
                          "a TLS session is required, but an attempt to start TLS failed: " +
                              one_line(refusal.full_text()));
  }
  if (answered.kind != smtp::ClientEventKind::tls_ready) co_return outcome_of(engine_->failure());
  std::optional<DeliveryOutcome> failure = co_await shake_hands();
  if (failure) co_return failure;
  engine_->tls_started();
  const smtp::ClientEvent greeted = co_await pump();
  if (greeted.kind != smtp::ClientEventKind::ready) co_return outcome_of(engine_->failure());
  co_return std::nullopt;
}

Task<std::optional<DeliveryOutcome>> SmtpConnection::shake_hands() {
  Result<std::unique_ptr<tls::Engine>> made =
      tls::Engine::make_client(plan_.context, plan_.session);
  if (!made) co_return tls_failure(kErrorTlsFailure, "TLS session: " + made.error().detail());
  tls_ = std::make_unique<tls::TlsStream>(*socket_, std::move(*made));
  set_phase_deadline(smtp::Phase::starttls);
  const Result<tls::Handshake> shaken = co_await tls_->handshake();
  std::string problem;
  if (!shaken) {
    problem = tls_->engine().failure();
    if (problem.empty()) problem = shaken.error().row().text;
  } else if (plan_.requires_alpn && tls_->engine().facts().alpn.empty()) {
    problem = "an ALPN name is required, and the server chose none";
  } else {
    co_return std::nullopt;
  }
  const std::string text = plan_.uses_dane
                               ? "DANE attempt failed; TLS connection to " +
                                     host_text(host_name_, to_) + ": (SSL_connect): " + problem
                               : "TLS session: (SSL_connect): " + problem;
  if (plan_.tries_clear) tls_problem_ = text;
  co_return tls_failure(kErrorTlsFailure, text);
}

DeliveryOutcome SmtpConnection::tls_failure(int error_number, std::string text) {
  DeliveryOutcome out;
  out.scope = FailureScope::host;
  out.failure.error = error_number == kErrorTlsRequired ? retry::RetryError::tls_required
                                                        : retry::RetryError::other;
  out.failure.host_source = is_mx_ ? retry::HostSource::mx : retry::HostSource::a;
  out.error_number = error_number;
  out.text = std::move(text);
  return out;
}

void SmtpConnection::note_remote() {
  auto remote = std::make_shared<RemoteInfo>(*remote_);
  // A 421 in place of the greeting ends the session before it is one.
  const smtp::ServerReply& greeting =
      engine_->greeting().code != 0 ? engine_->greeting() : engine_->failure().reply;
  if (greeting.code != 0) remote->greeting = first_line(greeting.full_text());
  remote->helo_reply = first_line(engine_->helo_line());
  remote->does_dsn = engine_->capabilities().has(smtp::Extension::dsn);
  if (tls_ != nullptr && tls_->engine().is_open()) {
    remote->tls = tls_facts_of(tls_->engine().facts());
    remote->tls.tlsa_usage = plan_.tlsa_usages;
  }
  remote_ = std::move(remote);
}

void SmtpConnection::set_phase_deadline(smtp::Phase phase) {
  const SmtpOptions& options = transport_.smtp();
  Seconds limit = options.command_timeout;
  if (phase == smtp::Phase::data_end) limit = options.final_timeout;
  if (phase == smtp::Phase::data_block) limit = options.data_timeout;
  if (phase == smtp::Phase::quit) limit = kQuitTimeout;
  const Instant deadline = limit.count == 0 ? Instant::never() : loop_.clock().now() + limit;
  stream().set_deadline(deadline);
}

// Sends and receives until the engine has news other than "more input, please".
Task<smtp::ClientEvent> SmtpConnection::pump() {
  for (;;) {
    const smtp::ClientEvent event = engine_->next();
    if (event.kind == smtp::ClientEventKind::send_body) co_return event;  // goes out with the body
    if (engine_->has_output()) {
      const std::string output = engine_->take_output();
      set_phase_deadline(event.phase);
      const Result<void> sent = co_await stream().write(output);
      if (!sent) {
        if (sent.error().code() == Errc::timed_out) {
          engine_->timed_out();
        } else {
          engine_->peer_closed();
        }
        continue;
      }
    }
    if (event.kind != smtp::ClientEventKind::need_input) co_return event;
    set_phase_deadline(event.phase);
    const Result<std::string_view> got = co_await stream().read();
    if (got && !got->empty()) {
      engine_->receive(*got);
    } else if (!got && got.error().code() == Errc::timed_out) {
      engine_->timed_out();
    } else {
      engine_->peer_closed();
    }
  }
}

Task<Result<void>> SmtpConnection::send_body(const MessageContent& content, smtp::BodyForm form,
                                             bool canonical) {
  set_phase_deadline(smtp::Phase::data_block);
  if (!content.is_in_memory()) co_return co_await send_stored_body(content, form, canonical);
  const std::string envelope_commands = engine_->take_output();
  std::vector<std::string_view> segments;
  segments.reserve(16);
  if (!envelope_commands.empty()) segments.push_back(envelope_commands);
  if (form == smtp::BodyForm::chunk) {
    segments.push_back(content.header_section());
    segments.push_back(MessageContent::kEmptyLine);
    for (const spool::MessageBytes::Chunk& chunk : content.body_chunks())
      segments.push_back(chunk.view());
    const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
    co_return sent;
  }
  smtp::DotStuffer stuffer(canonical);
  stuffer.take(content.header_section(), segments);
  stuffer.take(MessageContent::kEmptyLine, segments);
  for (const spool::MessageBytes::Chunk& chunk : content.body_chunks())
    stuffer.take(chunk.view(), segments);
  stuffer.finish(segments);
  const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
  co_return sent;
}

Task<Result<void>> SmtpConnection::send_stored_body(const MessageContent& content,
                                                    smtp::BodyForm form, bool canonical) {
  std::string page = engine_->take_output();
  std::vector<std::string_view> segments;
  smtp::DotStuffer stuffer(canonical);
  const bool stuffed = form == smtp::BodyForm::dot_stuffed;
  const auto take = [&](std::string_view piece) {
    if (stuffed) {
      stuffer.take(piece, segments);
    } else {
      segments.push_back(piece);
    }
  };
  if (!page.empty()) segments.push_back(page);
  take(content.header_section());
  take(MessageContent::kEmptyLine);
  const Result<void> head_sent =
      co_await stream().write(std::span<const std::string_view>(segments));
  if (!head_sent) co_return head_sent;
  for (uint64_t offset = 0; offset < content.body_bytes();) {
    const Result<std::string_view> piece = co_await content.read_page(offset, page);
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return Error(Errc::disk_error, "the body is shorter than it was");
    offset += piece->size();
    segments.clear();
    take(*piece);
    set_phase_deadline(smtp::Phase::data_block);
    const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
    if (!sent) co_return sent;
  }
  segments.clear();
  if (stuffed) stuffer.finish(segments);
  const Result<void> sent = co_await stream().write(std::span<const std::string_view>(segments));
  co_return sent;
}

smtp::Transaction SmtpConnection::transaction_of(const SmtpJob& job) const {
  const Envelope& envelope = job.envelope;
  const int64_t size_addition = transport_.smtp().size_addition;
  smtp::Transaction transaction;
  transaction.sender = job.sender;
  transaction.body_bytes = job.content.message_bytes();
  if (size_addition >= 0) {
    transaction.size_to_declare = transaction.body_bytes + static_cast<uint64_t>(size_addition);
  }
  if (envelope.body_8bit) transaction.body = smtp::BodyKind::eight_bit_mime;
  transaction.ret = envelope.dsn_ret == DsnRet::full      ? smtp::DsnReturn::full
                    : envelope.dsn_ret == DsnRet::headers ? smtp::DsnReturn::headers
                                                          : smtp::DsnReturn::unspecified;
  transaction.envid = envelope.dsn_envid;
  transaction.smtputf8 = envelope.smtputf8;
  transaction.use_bdat = chunking_ && !envelope.has_bare_line_ends;
  return transaction;
}

// The server may take fewer recipients at a time than there are (RFC 9422 RCPTMAX): those that were
// not tried go into a further transaction.
Task<std::vector<DeliveryOutcome>> SmtpConnection::send(SmtpJob job) {
  std::vector<DeliveryOutcome> outcomes(job.recipients.size());
  std::vector<size_t> left(job.recipients.size());
  for (size_t i = 0; i < left.size(); ++i) left[i] = i;
  while (!left.empty()) {
    smtp::Transaction transaction = transaction_of(job);
    for (size_t i : left) transaction.recipients.push_back(job.recipients[i]);
    const std::optional<Error> spool_error = co_await run_transaction(job, std::move(transaction));
    std::vector<size_t> not_tried;
    for (size_t i = 0; i < left.size(); ++i) {
      const bool known = i < engine_->outcomes().size();
      const smtp::Outcome& outcome = known ? engine_->outcomes()[i] : engine_->failure();
      if (outcome.outcome == smtp::OutcomeClass::not_tried && usable_) {
        not_tried.push_back(left[i]);
        continue;
      }
      outcomes[left[i]] = outcome_of(outcome);
      if (!spool_error || outcomes[left[i]].kind == OutcomeKind::delivered) continue;
      outcomes[left[i]] = DeliveryOutcome();
      outcomes[left[i]].text = "reading the spool failed: " + spool_error->to_string();
    }
    if (not_tried.size() == left.size()) break;
    left = std::move(not_tried);
  }
  if (!usable_) stream().close();
  co_return outcomes;
}

// One MAIL to its last reply. The error is one of our own spool.
Task<std::optional<Error>> SmtpConnection::run_transaction(const SmtpJob& job,
                                                           smtp::Transaction transaction) {
  engine_->begin(std::move(transaction));
  ++messages_sent_;
  std::optional<Error> spool_error;
  smtp::ClientEvent event = co_await pump();
  while (event.kind == smtp::ClientEventKind::send_body) {
    const Result<void> sent =
        co_await send_body(job.content, event.form, !job.envelope.has_bare_line_ends);
    if (sent) {
      engine_->body_sent();
    } else if (sent.error().code() == Errc::timed_out) {
      engine_->timed_out();
    } else if (sent.error().code() == Errc::connection_reset || sent.error().is_cancelled()) {
      engine_->peer_closed();
    } else {
      spool_error.emplace(sent.error());
      engine_->body_failed();
    }
    event = co_await pump();
  }
  // After its outcome: ready for more, or the server is leaving.
  if (event.kind == smtp::ClientEventKind::transaction_done) event = co_await pump();
  usable_ = event.kind == smtp::ClientEventKind::ready;
  co_return spool_error;
}

Task<void> SmtpConnection::quit() {
  if (socket_ == nullptr) co_return;
  if (usable_) {
    usable_ = false;
    engine_->quit();
    co_await pump();
  }
  stream().close();
}

DeliveryOutcome SmtpConnection::outcome_of(const smtp::Outcome& from) const {
  DeliveryOutcome out;
  out.remote = remote_;
  out.scope = scope_of(from.outcome);
  out.pipelined = engine_->was_pipelined();
  out.chunked = engine_->used_bdat();
  if (from.outcome == smtp::OutcomeClass::delivered) {
    out.kind = OutcomeKind::delivered;
    out.confirmation = one_line(from.reply.full_text());
    return out;
  }
  const bool failed = from.outcome == smtp::OutcomeClass::recipient_failed ||
                      from.outcome == smtp::OutcomeClass::message_failed;
  out.kind = failed ? OutcomeKind::failed : OutcomeKind::deferred;
  out.unanswered = from.reply.code == 0 && from.command.find("MAIL") != std::string::npos;
  out.in_doubt = from.outcome == smtp::OutcomeClass::in_doubt && !out.unanswered;
  out.failure.error = retry_error_of(from);
  out.failure.smtp_code = from.reply.code;
  out.failure.host_source = is_mx_ ? retry::HostSource::mx : retry::HostSource::a;
  out.error_number = error_number_of(from, out.failure.error);
  if (from.reply.code == 0 && failed) {
    out.text = from.problem;  // judged here: the message does not fit what the server offers
  } else if (from.reply.code != 0) {
    out.reply = one_line(from.reply.full_text());
    out.text = "SMTP error from remote mail server after " + from.command + ": " + out.reply;
  } else if (out.failure.error == retry::RetryError::timeout) {
    out.text = "SMTP timeout after " + from.command;
  } else {
    out.text =
        "Remote host " + host_text(host_name_, to_) + " " + from.problem + " after " + from.command;
  }
  return out;
}

DeliveryOutcome SmtpConnection::host_failure(const Error& error) const {
  DeliveryOutcome out;
  out.remote = remote_;
  out.scope = FailureScope::host;
  out.failure.host_source = is_mx_ ? retry::HostSource::mx : retry::HostSource::a;
  switch (error.code()) {
    case Errc::connection_refused:
      out.failure.error = retry::RetryError::refused;
      out.error_number = ECONNREFUSED;
      break;
    case Errc::timed_out:
      out.failure.error = retry::RetryError::timeout_connect;
      out.error_number = ETIMEDOUT;
      break;
    case Errc::connection_reset:
      out.failure.error = retry::RetryError::lost_connection;
      out.error_number = ECONNRESET;
      break;
    case Errc::unreachable:
      out.error_number = EHOSTUNREACH;
      break;
    default:
      out.error_number = kErrorConnectionLost;
      break;
  }
  out.text =
      error.code() == Errc::timed_out ? "Connection timed out" : std::string(error.row().text);
  return out;
}

}  // namespace godwit::delivery
