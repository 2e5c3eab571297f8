// SmtpSession: TLS, after STARTTLS or at once.
#include "core/io/fiber.h"
#include "daemon/smtp_session.h"
#include "delivery/queue/log_lines.h"
#include "delivery/transport/tls_facts.h"

#include <utility>

namespace godwit::daemon {
namespace {

using smtp::ReplyId;
using tls::Handshake;

constexpr smtp::ReplyView kUnavailable{454, "4.7.0", "TLS currently unavailable"};
// A handshake must end within this, whatever smtp_receive_timeout allows a command.
constexpr Seconds kHandshakeTimeout{120};

}  // namespace

void SmtpSession::log_tls_error(std::string_view what, std::string_view why) {
  failure_ = {"tls:fail:connect", std::string(why), 0};
  tell(evaluation_.trace, {acl::TraceKind::tls, {}, host_text(), why, {}});
  log(LogEvent::protocol_error, "TLS error on connection from " + host_text().substr(2) + " (" +
                                    std::string(what) + "): " + std::string(why));
}

acl::ListSubject SmtpSession::client_subject() const {
  acl::ListSubject subject;
  if (origin_.peer) {
    subject.address = origin_.peer->address;
    subject.is_client = true;
  }
  subject.host_name = connection_.sender_host_name;
  subject.is_client = origin_.peer.has_value();
  return subject;
}

// The context for this client, and for the server name that it asked for.
Task<Result<SmtpSession::TlsBasis>> SmtpSession::tls_basis() {
  auto ask_rules = [this] { return inbound_.tls_rules().ask(client_subject(), context()); };
  TlsBasis basis;
  basis.answer = co_await on_fiber(ask_rules);
  if (!basis.answer.problem.empty()) co_return Error(Errc::config, basis.answer.problem);
  basis.context = co_await ok(inbound_.services().tls.server(basis.answer.settings));
  co_return std::move(basis);
}

// False where the session is over.
Task<bool> SmtpSession::on_starttls() {
  Judgement judgement = co_await ask(acl::AclWhere::starttls, {});
  if (judgement.verdict != acl::AclVerdict::accept) {
    if (judgement.drop) {
      engine_.reply_and_close(judgement.reply, {});
    } else {
      engine_.reply(judgement.reply);
    }
    co_return true;
  }
  // What was sent in clear after the command must not be taken for what comes protected
  // (RFC 3207 6); whoever does so is not waited for.
  if (!engine_.unread().empty()) {
    engine_.reply_and_close(smtp::named_reply(ReplyId::synchronization),
                            "SMTP protocol synchronization error (input sent after STARTTLS)");
    co_return true;
  }
  Result<TlsBasis> basis = co_await tls_basis();
  if (!basis) {
    log_tls_error("STARTTLS", basis.error().detail());
    engine_.reply(kUnavailable);
    co_return true;
  }
  smtp::ReplyView go_ahead = smtp::named_reply(ReplyId::starttls_go_ahead);
  if (!judgement.message.empty()) go_ahead.text = judgement.message;
  engine_.reply(go_ahead);
  const bool sent = co_await flush();
  if (!sent) co_return false;
  co_return co_await begin_tls(std::move(*basis));
}

// tls_on_connect_ports.
Task<bool> SmtpSession::begin_tls_on_connect() {
  Result<TlsBasis> basis = co_await tls_basis();
  if (!basis) {
    log_tls_error("TLS on connect", basis.error().detail());
    co_return false;
  }
  tls_on_connect_ = true;
  auto ask_early = [this] {
    return inbound_.tls_rules().greets_early(client_subject(), context());
  };
  basis->answer.session.speaks_early = co_await on_fiber(ask_early);
  co_return co_await begin_tls(std::move(*basis));
}

Task<bool> SmtpSession::begin_tls(TlsBasis basis) {
  bool requires_alpn = basis.answer.requires_alpn;
  auto engine = tls::Engine::make_server(std::move(basis.context), basis.answer.session);
  tls_ = std::make_unique<tls::TlsStream>(plain_, std::move(engine));
  tls_->set_deadline(inbound_.services().loop.clock().now() + kHandshakeTimeout);
  for (;;) {
    waiting_for_command_ = true;  // stopping the server ends a handshake
    const Result<Handshake> state = co_await tls_->handshake();
    waiting_for_command_ = false;
    if (!state) {
      const bool is_tls = !tls_->engine().failure().empty();
      log_tls_error("SSL_accept",
                    is_tls ? tls_->engine().failure() : std::string(state.error().row().text));
      co_return false;
    }
    if (*state == Handshake::done) break;
    if (*state == Handshake::may_speak) {
      const bool is_said = co_await greet_early(requires_alpn);
      if (is_said) continue;
      log_tls_error("SSL_write_early_data", tls_->engine().failure());
      co_return false;
    }
    connection_.tls_in.sni = tls_->engine().server_name();
    Result<TlsBasis> other = co_await tls_basis();
    if (!other) {
      log_tls_error("SNI", other.error().detail());
      co_return false;
    }
    requires_alpn = other->answer.requires_alpn;
    tls_->engine().use_context(std::move(other->context));
  }
  const tls::SessionFacts facts = tls_->engine().facts();
  if (requires_alpn && facts.alpn.empty()) {
    log_tls_error("ALPN", "required and not offered by the client");
    co_return false;
  }
  connection_.tls_in = delivery::tls_facts_of(facts);
  const std::string denial = co_await tell_certificates();
  if (!denial.empty() && basis.answer.session.verify == tls::Verify::require) {
    log_tls_error("certificate", denial);
    co_return false;
  }
  if (!denial.empty()) connection_.tls_in.certificate_verified = false;
  tell(evaluation_.trace, {acl::TraceKind::tls, {}, host_text(), connection_.tls_in.cipher, {}});
  const bool remembers = inbound_.options().tls_remember_esmtp && !tls_on_connect_;
  engine_.tls_started(remembers);
  if (!remembers) {
    helo_name_.clear();
    connection_.sender_helo_name.clear();
  }
  forget_transaction();
  connection_.received_protocol = protocol_name();
  co_return true;
}

// tls:cert, from the authority down to the client. Gives why one is not to be trusted.
Task<std::string> SmtpSession::tell_certificates() {
  if (inbound_.config().policy->events().empty()) co_return "";
  const std::vector<tls::ChainLink> chain = tls_->engine().checked_chain();
  const acl::TlsFacts facts = connection_.tls_in;
  std::string denial;
  for (size_t depth = chain.size(); denial.empty() && depth-- > 0;) {
    connection_.tls_in.peer_certificate = chain[depth].pem;
    connection_.tls_in.peer_dn = chain[depth].subject;
    const std::string said = co_await raise_event("tls:cert", std::to_string(depth));
    if (!said.empty())
      denial = "verify denied by event-action: depth=" + std::to_string(depth) +
               " cert=" + chain[depth].subject + ": " + said;
  }
  connection_.tls_in = facts;
  co_return denial;
}

// " X=... CV=..." of log lines; empty without TLS.
std::string SmtpSession::tls_text() const {
  return delivery::tls_fields(connection_.tls_in, inbound_.options().log_selector,
                              delivery::TlsLine::inbound);
}

}  // namespace godwit::daemon
