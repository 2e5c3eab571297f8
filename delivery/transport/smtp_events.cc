// SmtpConnection: what it tells of itself, and what an operator's action makes of that.
// EXIM.md 1.8.
#include "delivery/transport/smtp_connection.h"

#include <utility>

namespace godwit::delivery {

DeliveryOutcome SmtpConnection::refused_by_event(int error_number, std::string text) const {
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
    co_return refused_by_event(kErrorExpansion,
                               "deferred by smtp:connect event expansion: " + refusal);
  acl::EventFacts answered{"smtp:ehlo", engine_->helo_line(), 0};
  co_await events_->raise(std::move(answered), *peer_.remote);
  co_return std::nullopt;
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
