// Events of an attempt: each after the log line that it is about, before progress is recorded.
#include "delivery/queue/attempt_events.h"

#include "delivery/queue/limits.h"

#include <utility>

namespace godwit::delivery {

Task<std::string> DeliveryAttempt::raise(const acl::EventActions& actions, acl::EventFacts event,
                                         const Recipient* recipient, const RemoteInfo* remote,
                                         bool is_of_several) {
  acl::AddressFacts address;
  if (recipient != nullptr) {
    address = address_facts(*recipient);
    if (address.domain.empty()) {
      address.local_part = recipient->local_part;
      address.domain = recipient->domain;
    }
    if (recipient->route.transport >= 0)
      address.transport_name = queue_.config_->transports->at(recipient->route.transport)->name();
  }
  if (remote != nullptr) {
    address.host = remote->host_name;
    address.host_address = remote->endpoint.address.to_string();
    address.host_port = remote->endpoint.port;
    address.sending = remote->local;
  }
  // An event is about a connection as a whole where its name does not begin with msg:.
  if (!event.name.starts_with("msg:")) {
    if (is_of_several) address.local_part.clear();
    address.router_name.clear();
  }
  acl::EvalContext evaluation = evaluation_of(address);
  // What an action sets is not seen outside it.
  acl::AclVariables of_message = message_variables_;
  acl::AclVariables of_connection = connection_variables_;
  evaluation.message_variables = &of_message;
  evaluation.connection_variables = &of_connection;
  if (remote != nullptr && !remote->tls.cipher.empty()) evaluation.tls_out = &remote->tls;
  const std::string said =
      co_await actions.raise(std::move(event), evaluation, queue_.services_.log);
  co_return said;
}

const acl::EventActions& DeliveryAttempt::main_events() const noexcept {
  return queue_.config_->policy->events();
}

bool DeliveryAttempt::has_events(const Batch& batch) const noexcept {
  return !batch.transport->events().empty();
}

// What became of a recipient that had a transport.
Task<void> DeliveryAttempt::tell(const Recipient& recipient) {
  const acl::EventActions& actions =
      queue_.config_->transports->at(recipient.route.transport)->events();
  const DeliveryOutcome& outcome = recipient.outcome;
  const RemoteInfo* remote = outcome.remote.get();
  acl::EventFacts event;
  if (recipient.state == State::delivered) {
    event = {"msg:delivery", outcome.confirmation, 0};
  } else if (recipient.state == State::failed) {
    event = {"msg:fail:delivery", outcome.text, 0};
  } else {
    // What concerns host or message is told once for all recipients.
    const bool is_own =
        outcome.scope == FailureScope::recipient || outcome.scope == FailureScope::local;
    if (!is_own) co_return;
    if (remote != nullptr) {
      acl::EventFacts at_host{"msg:rcpt:host:defer", outcome.text, outcome.error_number};
      co_await raise(actions, std::move(at_host), &recipient, remote);
    }
    event = {"msg:rcpt:defer", outcome.text, outcome.error_number};
  }
  co_await raise(actions, std::move(event), &recipient, remote);
}

// msg:defer: the try has brought nothing for the message.
Task<void> DeliveryAttempt::tell_deferred(const Batch& batch) {
  for (size_t member : batch.members) {
    const Recipient& recipient = recipients_[member];
    const DeliveryOutcome& outcome = recipient.outcome;
    const bool is_common =
        outcome.scope == FailureScope::host || outcome.scope == FailureScope::message;
    if (recipient.state != State::deferred || !is_common || outcome.remote == nullptr) co_return;
  }
  const Recipient& first = recipients_[batch.members.front()];
  acl::EventFacts event{"msg:defer", first.outcome.text, first.outcome.error_number};
  co_await raise(batch.transport->events(), std::move(event), &first, first.outcome.remote.get());
}

// Recipients that failed without a transport are the main configuration's affair.
Task<void> DeliveryAttempt::tell_unrouted() {
  const acl::EventActions& actions = main_events();
  if (actions.empty()) co_return;
  for (const Recipient& recipient : recipients_) {
    if (recipient.state != State::failed || recipient.route.transport >= 0) continue;
    acl::EventFacts event{"msg:fail:internal", recipient.outcome.text, 0};
    co_await raise(actions, std::move(event), &recipient, nullptr);
  }
}

Task<void> DeliveryAttempt::tell_completed() {
  const acl::EventActions& actions = main_events();
  if (actions.empty()) co_return;
  acl::EventFacts event{"msg:complete", {}, 0};
  co_await raise(actions, std::move(event), nullptr, nullptr);
}

Task<std::string> BatchEvents::raise(acl::EventFacts event, const RemoteInfo& remote) {
  const bool is_main = event.name.starts_with("tls:fail:");
  const acl::EventActions& actions = is_main ? attempt_.main_events() : batch_.transport->events();
  const DeliveryAttempt::Recipient& first = attempt_.recipients_[batch_.members.front()];
  const bool is_of_several = batch_.members.size() > 1;
  std::string said =
      co_await attempt_.raise(actions, std::move(event), &first, &remote, is_of_several);
  co_return said;
}

}  // namespace godwit::delivery
