#include "delivery/queue/host_tries.h"

#include "delivery/queue/limits.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

std::string_view domain_of(const RemoteDelivery& delivery) {
  const std::string_view address = delivery.recipients.front().address;
  return address.substr(std::min(address.rfind('@') + 1, address.size()));
}

std::string message_key(const std::string& host_key, const RemoteDelivery& delivery) {
  return host_key + ":" + std::string(delivery.message_id);
}

std::string key_of(const std::string& host_name, const Endpoint& to, bool includes_ip,
                   const std::optional<IpAddress>& from) {
  std::string key = "T:" + host_name;
  if (includes_ip) key += ":" + to.address.to_string();
  if (to.port != 25) key += ":" + std::to_string(to.port);
  if (from) key += "/" + from->to_string();
  return key;
}

}  // namespace

Result<std::string> host_retry_key(const SmtpTransport& transport, const std::string& host_name,
                                   const Endpoint& to, acl::EvalContext& evaluation) {
  const Result<bool> includes_ip = transport.retry_include_ip().evaluate(evaluation);
  if (!includes_ip) return includes_ip.error();
  const Result<std::optional<IpAddress>> from = transport.local_address(to.address, evaluation);
  if (!from) return from.error();
  return key_of(host_name, to, *includes_ip, *from);
}

std::string usual_retry_key(const SmtpTransport& transport, const std::string& host_name,
                            const Endpoint& to) {
  return key_of(host_name, to, transport.retry_include_ip().constant().value_or(true),
                std::nullopt);
}

retry::RetryKeeper::Failed host_failure_of(const RemoteDelivery& delivery,
                                           const Candidate& candidate, std::string_view key,
                                           const DeliveryOutcome& failure, WallTime now) {
  retry::RetryKeeper::Failed failed;
  failed.key = key;
  failed.rule_key = domain_of(delivery);
  failed.host = candidate.host->name;
  failed.sender = delivery.sender;
  failed.received = delivery.received;
  failed.is_host = true;
  failed.failure = failure.failure;
  failed.error_number = failure.error_number;
  failed.text = failure.text;
  failed.now = now;
  return failed;
}

bool failed_as_a_host(const std::vector<DeliveryOutcome>& outcomes) {
  return std::all_of(outcomes.begin(), outcomes.end(), [](const DeliveryOutcome& outcome) {
    return outcome.scope == FailureScope::host && !outcome.in_doubt;
  });
}

void remember_success(retry::RetryKeeper& keeper, const std::string& key,
                      const RemoteDelivery& delivery,
                      const std::vector<DeliveryOutcome>& outcomes) {
  keeper.succeeded(key);
  if (!delivery.is_retry) return;
  const bool is_refused =
      std::any_of(outcomes.begin(), outcomes.end(), [](const DeliveryOutcome& outcome) {
        return outcome.scope == FailureScope::message && outcome.kind == OutcomeKind::deferred;
      });
  if (!is_refused) keeper.succeeded(message_key(key, delivery));
}

bool has_failed_lately(retry::RetryKeeper& keeper, const SmtpTransport& transport,
                       const HostList& hosts, uint16_t default_port, WallTime now) {
  const std::optional<bool> with_ip = transport.retry_include_ip().constant();
  acl::EvalContext nothing;
  for (const RouteHost& host : hosts.hosts) {
    const uint16_t port = host.port != 0 ? host.port : default_port;
    for (const IpAddress& address : host.addresses) {
      const Endpoint to{address, port};
      std::optional<IpAddress> from;
      if (transport.interface().is_constant())
        from = transport.local_address(address, nothing).value_or(std::nullopt);
      // Where it depends on the message, either may be the one.
      if (with_ip != false && keeper.find(key_of(host.name, to, true, from), now)) return true;
      if (with_ip != true && keeper.find(key_of(host.name, to, false, from), now)) return true;
    }
  }
  return false;
}

DeliveryOutcome retry_not_reached(std::string text, WallTime next_try) {
  DeliveryOutcome out;
  out.error_number = kErrorRetryNotReached;
  out.text = std::move(text);
  out.next_try = next_try;
  return out;
}

void HostTries::add(const retry::RetryKeeper::Verdict& verdict) noexcept {
  all_expired_ = all_expired_ && verdict.give_up;
  next_try_ = std::min(next_try_, verdict.next_try);
  expires_ = std::max(expires_, verdict.expires);
  retry_until_ = std::max(retry_until_, verdict.retry_until);
}

bool HostTries::must_wait(const Candidate& candidate, const std::string& key, WallTime now) {
  if (delivery_.forced) return false;
  retry::RetryKeeper::Subject subject =
      host_failure_of(delivery_, candidate, key, DeliveryOutcome(), now);
  retry::RetryKeeper::Standing standing = keeper_.standing(subject, now);
  bool is_over = standing.expired;
  // What another delivery found out while this one waited for a connection is as good as an attempt
  // of its own.
  const bool was_tried = standing.is_known && standing.last_try >= delivery_.queued;
  if (was_tried && standing.next_try > now && !standing.waits) standing.waits = is_over = true;
  // Past the last cutoff a host may be tried once for each new message.
  if (standing.expired && !transport_.smtp().delay_after_cutoff &&
      standing.last_try < delivery_.received)
    standing.waits = false;
  const std::string own_key = delivery_.is_retry ? message_key(key, delivery_) : std::string();
  if (!standing.waits && delivery_.is_retry) {
    subject.key = own_key;
    subject.is_host = false;
    standing = keeper_.standing(subject, now);
    is_over = false;
  }
  if (!standing.waits) return false;
  add({standing.next_try, is_over, standing.expires, standing.retry_until});
  return true;
}

void HostTries::skip(int error_number, std::string why) {
  last_.emplace();
  last_->error_number = error_number;
  last_->text = std::move(why);
  all_expired_ = false;
}

void HostTries::busy(DeliveryOutcome outcome, WallTime now) {
  all_expired_ = false;
  next_try_ = std::min(next_try_, now + kBusyHostDelay);
  last_ = std::move(outcome);
}

void HostTries::failed(const Candidate& candidate, const std::string& key, DeliveryOutcome failure,
                       WallTime now) {
  retry::RetryKeeper::Failed failed = host_failure_of(delivery_, candidate, key, failure, now);
  failed.began = began_;
  add(keeper_.failed(failed));
  last_ = std::move(failure);
}

void HostTries::fail_where_refused() {
  if (last_->refused_session) last_->kind = OutcomeKind::failed;
}

DeliveryOutcome HostTries::outcome(WallTime now) && {
  if (next_try_.micros == INT64_MAX) next_try_ = now + kRoutingRetry;
  const bool expired = all_expired_ && !delivery_.seen.empty();
  DeliveryOutcome out;
  if (last_) {
    out = std::move(*last_);
    out.retry_expired = expired;
  } else {
    const std::string domain = " for '" + std::string(domain_of(delivery_)) + "'";
    out = retry_not_reached("retry time not reached for any host" + domain, next_try_);
    if (expired) {
      out.kind = OutcomeKind::failed;
      out.retry_expired = true;
      out.text =
          "all hosts" + domain + " have been failing for a long time " +
          (transport_.smtp().delay_after_cutoff ? "(and retry time not reached)"
                                                : "and were last tried after this message arrived");
    }
  }
  out.next_try = next_try_;
  out.expires = expires_;
  out.retry_until = retry_until_;
  return out;
}

}  // namespace godwit::delivery
