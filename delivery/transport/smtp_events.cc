// SmtpConnection: what it tells of itself, and what an operator's action makes of that.
// EXIM.md 1.8.
#include "delivery/transport/smtp_connection.h"
#include "delivery/transport/tls_facts.h"

#include <utility>

namespace godwit::delivery {

DeliveryOutcome SmtpConnection::host_failure(int error_number, std::string text) const {
  DeliveryOutcome out;
  out.remote = peer_.remote;
  out.scope = FailureScope::host;
  out.failure.host_source = peer_.remote->is_mx ? retry::HostSource::mx : retry::HostSource::a;
  out.error_number = error_number;
  out.text = std::move(text);
  return out;
}

// The greeting and what followed it; the action may want to go no further.
Task<std::optional<DeliveryOutcome>> SmtpConnection::tell_greeting() {
  if (events_ == nullptr) co_return std::nullopt;
  note_remote();
  acl::EventFacts connected{"smtp:connect", engine_->greeting().full_text(), 0};
  const std::string refusal = co_await events_->raise(std::move(connected), *peer_.remote);
  if (!refusal.empty())
    co_return host_failure(kErrorExpansion, "deferred by smtp:connect event expansion: " + refusal);
  acl::EventFacts answered{"smtp:ehlo", engine_->helo_reply(), 0};
  co_await events_->raise(std::move(answered), *peer_.remote);
  co_return std::nullopt;
}

// tls:cert, from the authority down to the host. Gives why one is not to be trusted.
Task<std::string> SmtpConnection::tell_certificates() {
  if (events_ == nullptr || transport_.events().empty()) co_return "";
  const std::vector<tls::ChainLink> chain = tls_->engine().checked_chain();
  for (size_t depth = chain.size(); depth-- > 0;) {
    RemoteInfo remote = *peer_.remote;
    remote.tls = tls_facts_of(tls_->engine().facts());
    remote.tls.peer_certificate = chain[depth].pem;
    remote.tls.peer_dn = chain[depth].subject;
    acl::EventFacts event{"tls:cert", std::to_string(depth), 0};
    const std::string said = co_await events_->raise(std::move(event), remote);
    if (!said.empty())
      co_return "verify denied by event-action: depth=" + std::to_string(depth) +
          " cert=" + chain[depth].subject + ": " + said;
  }
  co_return "";
}

Task<void> SmtpConnection::tell_tls_failure(const DeliveryOutcome& failure) {
  if (events_ == nullptr || failure.error_number != kErrorTlsFailure) co_return;
  acl::EventFacts failed{"tls:fail:connect", failure.text, 0};
  co_await events_->raise(std::move(failed), *peer_.remote);
  if (!plan_.uses_dane) co_return;
  acl::EventFacts of_dane{"dane:fail", "validation-failure", 0};
  co_await events_->raise(std::move(of_dane), *peer_.remote);
}

}  // namespace godwit::delivery
