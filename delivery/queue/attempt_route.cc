// Routing the recipients of an attempt, each on a fiber: routers and hosts of transports may wait.
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/log_lines.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

Task<void> DeliveryAttempt::route_all() {
  for (Recipient& recipient : recipients_) co_await route(recipient);
}

Task<void> DeliveryAttempt::route(Recipient& recipient) {
  const WallTime now = queue_.services_.loop.clock().wall();
  if (!message_.entry.forced) {
    const std::optional<retry::RetryRecord> record = queue_.keeper_.find(retry_key(recipient), now);
    if (record && record->next_try > now) {
      recipient.state = State::deferred;
      recipient.outcome.error_number = kErrorRetryNotReached;
      recipient.outcome.text = "retry time not reached";
      recipient.outcome.next_try = record->next_try;
      if (queue_.config_->options().log_selector.has(config::LogSelector::retry_defer))
        log_deferred(recipient);
      co_return;
    }
  }
  if (copy_route(recipient)) co_return;
  RouteQuery query;
  query.local_part = recipient.local_part;
  query.domain = recipient.domain;
  query.sender = message_.sender();
  query.services = queue_.services_.evaluators;
  query.server = &queue_.services_.server;
  query.connection = &connection_facts_;
  query.message = &facts_;
  query.message_variables = &message_variables_;
  query.connection_variables = &connection_variables_;
  query.now = now;
  std::string errors_to = std::move(recipient.route.errors_to);
  auto routing = [&] { return queue_.config_->routers->route(query, queue_.services_.hosts); };
  recipient.route = co_await on_fiber(routing);
  if (recipient.route.errors_to.empty()) recipient.route.errors_to = std::move(errors_to);
  switch (recipient.route.status) {
    case RouteStatus::routed:
      co_await transport_hosts(recipient);
      break;
    case RouteStatus::failed:
      recipient.state = State::failed;
      recipient.outcome.kind = OutcomeKind::failed;
      recipient.outcome.text = recipient.route.message;
      log_failed(recipient);
      break;
    case RouteStatus::frozen:
      freeze_ = true;
      [[fallthrough]];
    case RouteStatus::deferred:
      recipient.outcome.error_number = -1;
      recipient.outcome.scope = FailureScope::recipient;
      recipient.outcome.text = recipient.route.message;
      settle_deferral(recipient);
      break;
  }
}

// same_domain_copy_routing: what an earlier recipient of the domain got.
bool DeliveryAttempt::copy_route(Recipient& recipient) const {
  for (const Recipient& other : recipients_) {
    if (&other == &recipient) return false;
    if (other.domain != recipient.domain || other.state != State::pending) continue;
    const Router* router = other.route.router;
    if (router == nullptr || !router->copies_same_domain() ||
        other.route.status != RouteStatus::routed || other.route.domain != other.domain)
      continue;
    recipient.route = other.route;
    recipient.route.local_part = recipient.local_part;
    return true;
  }
  return false;
}

// Where the router gave no hosts, or the transport insists on its own.
Task<void> DeliveryAttempt::transport_hosts(Recipient& recipient) {
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  if (!transport->is_remote()) co_return;
  const auto* smtp = static_cast<const SmtpTransport*>(transport);
  const bool wanted = recipient.route.hosts == nullptr ||
                      (smtp->smtp().hosts_override && smtp->smtp().hosts.is_set);
  if (!wanted) co_return;
  auto finding = [&] { return find_transport_hosts(recipient, *smtp); };
  SharedHostList list = co_await on_fiber(finding);
  if (list != nullptr) {
    recipient.route.hosts = std::move(list);
    co_return;
  }
  recipient.outcome.error_number = kErrorUnknownHost;
  recipient.outcome.scope = FailureScope::recipient;
  recipient.outcome.text = transport->name() + " transport called with no hosts set";
  settle_deferral(recipient);
}

// Null where there are none.
SharedHostList DeliveryAttempt::find_transport_hosts(const Recipient& recipient,
                                                     const SmtpTransport& transport) {
  acl::AddressFacts address;
  address.local_part = recipient.route.local_part;
  address.domain = recipient.route.domain;
  address.address_data = recipient.route.address_data;
  acl::EvalContext evaluation;
  evaluation.services = queue_.services_.evaluators;
  evaluation.server = &queue_.services_.server;
  evaluation.connection = &connection_facts_;
  evaluation.message = &facts_;
  evaluation.address = &address;
  evaluation.now = started_;
  const acl::EvalResult names = transport.hosts().evaluate(evaluation);
  auto list = std::make_shared<HostList>();
  list->randomize = transport.smtp().hosts_randomize;
  if (names.ok()) {
    int preference = 1;
    for (const std::string& name : config::split_list(names.text)) {
      RouteHost& host = list->hosts.emplace_back();
      host.name = name;
      host.preference = list->randomize ? 1 : preference++;
      FoundAddresses found = queue_.services_.hosts.find_addresses(name, FindMethod::dns_then_name,
                                                                   FindOptions(), evaluation);
      if (found.status == FindStatus::found) host.addresses = std::move(found.addresses);
    }
  }
  std::erase_if(list->hosts, [](const RouteHost& host) { return host.addresses.empty(); });
  if (list->hosts.empty()) return nullptr;
  set_key(*list);
  return list;
}

}  // namespace godwit::delivery
