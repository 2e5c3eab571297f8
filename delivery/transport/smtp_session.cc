// SmtpConnection: from nothing to a session that takes jobs.
#include "delivery/transport/smtp_connection.h"
#include "delivery/transport/tls_facts.h"
#include "protocol/socks/client_negotiation.h"

#include <algorithm>
#include <span>
#include <utility>

namespace godwit::delivery {
namespace {

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

Task<std::optional<DeliveryOutcome>> SmtpConnection::open(SmtpOpening opening) {
  events_ = opening.events;
  if (events_ != nullptr) {
    acl::EventFacts event{"tcp:connect", {}, 0};
    const std::string refusal = co_await events_->raise(std::move(event), *peer_.remote);
    if (!refusal.empty()) co_return host_failure(kErrorEvent, "Event requests alternate response");
  }
  chunking_ = opening.chunking;
  prdr_ = opening.prdr;
  is_secure_ = opening.secure;
  plan_ = std::move(opening.tls);
  memory_ = std::move(opening.memory);
  late_ = opening.late;
  command_timeout_ = opening.command_timeout;

  smtp::ClientOptions engine_options;
  engine_options.helo_name = opening.helo_name;
  engine_options.use_pipelining = opening.pipelining;
  engine_options.use_esmtp = opening.esmtp;
  engine_options.lmtp = transport_.is_lmtp();
  engine_options.recipients_max = 0;  // the queue cuts transactions
  engine_options.pipeline_depth =
      static_cast<uint32_t>(std::clamp<int64_t>(transport_.smtp().smtp_pipeline_depth, 1, 100));
  if (memory_ && opening.uses_memory) believe(engine_options);
  // What is said before the host has spoken may go with the first packet.
  const bool waits = engine_options.known && opening.fast_open && opening.proxies.empty() &&
                     !plan_.on_connect && !opening.helo_name.empty();
  std::optional<DeliveryOutcome> unconnected = co_await connect_to_host(opening, waits);
  if (!unconnected && opening.helo_name.empty())
    unconnected = co_await name_ourselves(engine_options.helo_name);
  if (unconnected) co_return unconnected;
  engine_ = std::make_unique<smtp::ClientEngine>(std::move(engine_options));
  if (!plan_.on_connect) engine_->receive(std::exchange(early_input_, {}));

  std::optional<DeliveryOutcome> failure = co_await begin_session();
  if (unconnected_) co_return unconnected_;
  remember_ehlo();
  note_remote();
  if (failure) {
    failure->remote = peer_.remote;
    failure->belief_wrong = engine_->was_belief_wrong();
    stream().close();
    co_await tell_tls_failure(*failure);
  }
  events_ = nullptr;
  late_.reset();
  co_return failure;
}

// `waits`: not before there is something to send.
Task<std::optional<DeliveryOutcome>> SmtpConnection::connect_to_host(const SmtpOpening& opening,
                                                                     bool waits) {
  ConnectOptions options;
  options.from = opening.from;
  options.timeout = opening.connect_timeout.value_or(transport_.smtp().connect_timeout);
  options.keepalive = transport_.smtp().keepalive;
  options.traffic_class = transport_.traffic_class();
  options.fast_open = opening.fast_open;
  int system_error = 0;
  if (opening.proxies.empty()) {
    options.to = peer_.remote->endpoint;
    if (waits) waiting_ = options;
    if (waits) co_return std::nullopt;
    options.system_error = &system_error;
    Result<std::unique_ptr<ByteStream>> connected = co_await connector_.connect(options);
    if (!connected) co_return connect_failure(peer_, connected.error(), system_error);
    socket_ = std::move(*connected);
    co_return std::nullopt;
  }
  // One time-out for all of them.
  const Instant end = loop_.clock().now() + options.timeout;
  std::string problem;
  for (const SocksProxy& proxy : opening.proxies) {
    const Instant now = loop_.clock().now();
    if (now >= end) break;
    problem = co_await connect_by_proxy(proxy, options, std::min(end, now + proxy.timeout));
    if (!problem.empty()) continue;
    auto remote = std::make_shared<RemoteInfo>(*peer_.remote);
    remote->proxy = proxy.at;
    peer_.remote = std::move(remote);
    co_return std::nullopt;
  }
  DeliveryOutcome failure = connect_failure(peer_, Error(Errc::unreachable));
  failure.text = problem;
  co_return failure;
}

Task<std::optional<DeliveryOutcome>> SmtpConnection::name_ourselves(std::string& helo_name) {
  const std::optional<Endpoint> local = connector_.how_opened(*socket_).local;
  Result<std::string> name = co_await late_->helo_name(local.value_or(Endpoint()));
  if (!name) {
    stream().close();
    co_return host_failure(kErrorExpansion, name.error().detail());
  }
  helo_name = std::move(*name);
  co_return std::nullopt;
}

// Behind one name there may be many servers, and a session is resumed by the one that made it.
Task<void> SmtpConnection::tell_servers_apart() {
  if (late_ == nullptr || plan_.session.session_key.empty()) co_return;
  const std::string answer = engine_->helo_reply();
  const std::string server = co_await late_->server_name(answer);
  if (!server.empty()) plan_.session.session_key += " " + server;
}

// What was put off. Gives how much of `first` went with the first packet.
Task<Result<size_t>> SmtpConnection::connect_with(std::string_view first) {
  ConnectOptions options = *waiting_;
  waiting_.reset();
  options.first = first;
  int system_error = 0;
  options.system_error = &system_error;
  Result<std::unique_ptr<ByteStream>> connected = co_await connector_.connect(options);
  if (!connected) {
    unconnected_ = connect_failure(peer_, connected.error(), system_error);
    // A host that hangs up at once may have been told too much.
    unconnected_->belief_wrong = connected.error().code() == Errc::connection_reset;
    if (unconnected_->belief_wrong) memory_->forget();
    co_return connected.error();
  }
  socket_ = std::move(*connected);
  co_return connector_.how_opened(*socket_).first_sent;
}

// Empty: `socket_` leads to the host. Otherwise why it does not.
Task<std::string> SmtpConnection::connect_by_proxy(const SocksProxy& proxy, ConnectOptions options,
                                                   Instant deadline) {
  const std::string who = "SOCKS proxy " + proxy.at.to_string() + ": ";
  options.to = proxy.at;
  options.timeout = Millis{(deadline.micros - loop_.clock().now().micros) / 1000};
  if (options.from && options.from->is_v6() != proxy.at.address.is_v6()) options.from.reset();
  Result<std::unique_ptr<ByteStream>> connected = co_await connector_.connect(options);
  if (!connected) co_return who + std::string(connected.error().row().text);
  socket_ = std::move(*connected);
  socket_->set_deadline(deadline);
  socks::ClientNegotiation negotiation(
      {peer_.remote->endpoint, proxy.with_name, proxy.name, proxy.password});
  std::string problem;
  while (problem.empty() && negotiation.state() == socks::ClientNegotiation::State::waiting) {
    const std::string output = negotiation.take_output();
    const Result<void> sent = co_await socket_->write(output);
    if (!sent) problem = sent.error().row().text;
    if (!sent) break;
    const Result<std::string_view> got = co_await socket_->read();
    if (got && !got->empty()) {
      negotiation.receive(*got);
    } else {
      problem = got ? "closed the connection" : std::string(got.error().row().text);
    }
  }
  if (problem.empty()) problem = negotiation.problem();
  if (problem.empty()) {
    early_input_ = negotiation.take_rest();
    co_return problem;
  }
  socket_->close();
  socket_.reset();
  co_return who + problem;
}

// From the first byte to the EHLO that counts.
Task<std::optional<DeliveryOutcome>> SmtpConnection::begin_session() {
  if (plan_.on_connect) {
    if (!early_input_.empty())
      co_return tls_failure(peer_, kErrorTlsFailure,
                            "the host sent data in clear before TLS began");
    std::optional<DeliveryOutcome> failure = co_await shake_hands();
    if (failure) co_return failure;
  }
  const smtp::ClientEvent greeted = co_await pump_to_event();
  if (greeted.kind != smtp::ClientEventKind::ready) co_return outcome_of(peer_, engine_->failure());
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
    co_return tls_failure(peer_, kErrorTlsRequired,
                          "a TLS session is required, but the server did not offer TLS support");
  }
  engine_->starttls();
  const smtp::ClientEvent answered = co_await pump_to_event();
  if (answered.kind == smtp::ClientEventKind::tls_refused) {
    const smtp::ServerReply& refusal = engine_->tls_refusal();
    // RFC 3207 4.1: a server that cannot now may be taken at its word, in clear.
    if (plan_.tries_clear || (refusal.digit() == 5 && !plan_.requires_tls)) co_return std::nullopt;
    co_return tls_failure(peer_, kErrorTlsRequired,
                          "a TLS session is required, but an attempt to start TLS failed: " +
                              one_line(refusal.full_text()));
  }
  if (answered.kind != smtp::ClientEventKind::tls_ready)
    co_return outcome_of(peer_, engine_->failure());
  remember_ehlo();
  co_await tell_servers_apart();
  std::optional<DeliveryOutcome> failure = co_await shake_hands();
  if (failure) co_return failure;
  engine_->tls_started();
  const smtp::ClientEvent greeted = co_await pump_to_event();
  if (greeted.kind != smtp::ClientEventKind::ready) co_return outcome_of(peer_, engine_->failure());
  co_return std::nullopt;
}

Task<std::optional<DeliveryOutcome>> SmtpConnection::shake_hands() {
  Result<std::unique_ptr<tls::Engine>> made =
      tls::Engine::make_client(plan_.context, plan_.session);
  if (!made)
    co_return tls_failure(peer_, kErrorTlsFailure, "TLS session: " + made.error().detail());
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
    problem = co_await tell_certificates();
    const bool must_trust = plan_.uses_dane || plan_.session.verify == tls::Verify::require;
    certificate_denied_ = !problem.empty();
    if (problem.empty() || !must_trust) {
      note_who_is_vouched_for();
      co_return std::nullopt;
    }
  }
  const std::string text = plan_.uses_dane
                               ? "DANE attempt failed; TLS connection to " +
                                     host_text(*peer_.remote) + ": (SSL_connect): " + problem
                               : "TLS session: (SSL_connect): " + problem;
  if (plan_.tries_clear) tls_problem_ = text;
  co_return tls_failure(peer_, kErrorTlsFailure, text);
}

void SmtpConnection::note_who_is_vouched_for() {
  if (plan_.domain.empty()) return;
  const std::span<const std::string> of_host(plan_.session.names.data(), plan_.host_names);
  if (!tls_->engine().would_trust(of_host)) only_for_ = plan_.domain;
}

// Where nobody asked to hear the greeting first, and what TLS needs is offered.
void SmtpConnection::believe(smtp::ClientOptions& options) const {
  if (events_ != nullptr && transport_.events().hears("smtp:connect")) return;
  const WallTime now = loop_.clock().wall();
  options.known = memory_->find(plan_.on_connect, now);
  const bool begins_tls = plan_.attempts && !plan_.on_connect;
  if (!begins_tls || !options.known) return;
  if (options.known->has(smtp::Extension::starttls)) {
    options.known_in_tls = memory_->find(true, now);
  } else if (plan_.requires_tls) {
    options.known.reset();
  }
}

// Keeps what EHLO was answered with, for the next connection.
void SmtpConnection::remember_ehlo() {
  if (!memory_) return;
  if (engine_->was_belief_wrong()) return memory_->forget();
  if (engine_->believes() || engine_->helo_text().empty()) return;
  memory_->learn(tls_ != nullptr, engine_->helo_text(), loop_.clock().wall());
}

void SmtpConnection::note_remote() {
  auto remote = std::make_shared<RemoteInfo>(*peer_.remote);
  // A 421 in place of the greeting ends the session before it is one.
  const smtp::ServerReply& greeting =
      engine_->greeting().code != 0 ? engine_->greeting() : engine_->failure().reply;
  if (greeting.code != 0) remote->greeting = first_line(greeting.full_text());
  remote->helo_reply = first_line(engine_->helo_reply());
  if (socket_ != nullptr) {
    const Opened opened = connector_.how_opened(*socket_);
    remote->local = opened.local;
    remote->fast_open = opened.fast_open;
  }
  remote->secure = is_secure_;
  remote->does_dsn = engine_->capabilities().has(smtp::Extension::dsn);
  if (tls_ != nullptr && tls_->engine().is_open()) {
    remote->tls = tls_facts_of(tls_->engine().facts());
    remote->tls.tlsa_usage = plan_.tlsa_usages;
    if (certificate_denied_) remote->tls.certificate_verified = remote->tls.dane = false;
  }
  peer_.remote = std::move(remote);
}

}  // namespace godwit::delivery
