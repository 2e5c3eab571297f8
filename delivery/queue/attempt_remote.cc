// One transaction with remote hosts, and with the fallback hosts for whoever those left.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/attempt_events.h"
#include "protocol/message/address_syntax.h"

#include <utility>

namespace godwit::delivery {

Task<void> DeliveryAttempt::deliver_remote(const Batch& batch, const SmtpTransport& transport,
                                           const MessageContent& content) {
  const int64_t longest = transport.smtp().message_linelength_limit;
  if (longest > 0 && message_.envelope.line_bytes_max > static_cast<uint64_t>(longest)) {
    DeliveryOutcome too_long;
    too_long.kind = OutcomeKind::failed;
    too_long.text = "message has lines too long for transport";
    co_await settle_all(batch, std::move(too_long));
    co_return;
  }
  const Progress* progress = message_.entry.progress.get();
  RemoteDelivery delivery(message_.envelope, content, batch.return_path, facts_.id);
  delivery.received = message_.envelope.received;
  delivery.forced = message_.entry.forced;
  delivery.is_retry = message_.entry.tried;
  delivery.port = batch.port;
  if (progress != nullptr) delivery.in_doubt_host = progress->in_doubt_host;
  delivery.recipients.reserve(batch.members.size());
  for (size_t member : batch.members)
    delivery.recipients.push_back(recipient_to_send(recipients_[member], transport));
  BatchEvents events(*this, batch);
  const bool tells = has_events(batch);
  if (tells || !main_events().empty()) delivery.events = &events;
  co_await queue_.destinations_.deliver(transport, batch.hosts, delivery);
  co_await deliver_to_fallback(delivery, batch, transport);
  bool is_first = true;
  for (size_t i = 0; i < batch.members.size(); ++i) {
    Recipient& recipient = recipients_[batch.members[i]];
    settle(recipient, std::move(delivery.outcomes[i]), is_first);
    if (tells) co_await tell(recipient);
  }
  if (tells) co_await tell_deferred(batch);
}

smtp::ClientRecipient DeliveryAttempt::recipient_to_send(const Recipient& recipient,
                                                         const SmtpTransport& transport) const {
  const RouteResult& route = recipient.route;
  smtp::ClientRecipient to;
  to.address = rcpt_address(recipient, route, transport);
  to.ignore_quota = transport.smtp().lmtp_ignore_quota;
  if (route.router->options().dsn_lasthop) return to;  // reports end here
  to.orcpt = recipient.orcpt;
  to.notify = recipient.dsn_flags;
  return to;
}

// fallback_hosts: for those that no host took and none refused for good. Not where the message may
// be with a host already, and not where this host is an MX of the domain itself.
Task<void> DeliveryAttempt::deliver_to_fallback(RemoteDelivery& delivery, const Batch& batch,
                                                const SmtpTransport& transport) {
  const Recipient& first = recipients_[batch.members.front()];
  const std::string& of_router = first.route.router->options().fallback_hosts;
  const std::string& names = of_router.empty() ? transport.smtp().fallback_hosts : of_router;
  if (names.empty() || batch.hosts->has_self) co_return;
  RemoteDelivery again(delivery.envelope, delivery.content, delivery.sender, delivery.message_id);
  again.received = delivery.received;
  again.forced = delivery.forced;
  again.is_retry = delivery.is_retry;
  again.events = delivery.events;
  again.port = delivery.port;
  std::vector<size_t> left;
  for (size_t i = 0; i < delivery.outcomes.size(); ++i) {
    if (delivery.outcomes[i].kind != OutcomeKind::deferred || delivery.outcomes[i].in_doubt)
      continue;
    left.push_back(i);
    again.recipients.push_back(delivery.recipients[i]);
  }
  if (left.empty()) co_return;
  const acl::AddressFacts address = address_facts(first);
  acl::EvalContext evaluation = evaluation_of(address);
  auto finding = [&] { return find_hosts(names, transport, evaluation); };
  const SharedHostList hosts = co_await on_fiber(finding);
  if (hosts == nullptr) co_return;
  co_await queue_.destinations_.deliver(transport, hosts, again);
  for (size_t i = 0; i < left.size(); ++i)
    delivery.outcomes[left[i]] = std::move(again.outcomes[i]);
}

// The hosts of a list, with their addresses; null where none has any. On a fiber.
SharedHostList DeliveryAttempt::find_hosts(const std::string& names, const SmtpTransport& transport,
                                           acl::EvalContext& evaluation) {
  const bool randomize = transport.smtp().hosts_randomize;
  const auto matches = [&](const std::shared_ptr<const acl::ListPattern>& domains,
                           const std::string& name) {
    return domains != nullptr &&
           domains->match({name, std::nullopt, {}}, evaluation).match == acl::Match::yes;
  };
  auto list = std::make_shared<HostList>();
  list->randomize = randomize;
  int preference = 1;
  for (const std::string& item : config::split_list(names)) {
    RouteHost host = parse_route_host(item, randomize ? 1 : preference++);
    FindOptions options;
    options.dnssec_required = matches(transport.dnssec_require, host.name);
    options.dnssec_requested =
        options.dnssec_required || matches(transport.dnssec_request, host.name);
    FoundAddresses found = queue_.services_.hosts.find_addresses(
        host.name, FindMethod::dns_then_name, options, evaluation);
    if (found.status != FindStatus::found) continue;
    host.initial_name = std::exchange(host.name, std::move(found.name));
    host.secure = found.secure;
    host.addresses = std::move(found.addresses);
    list->hosts.push_back(std::move(host));
  }
  if (list->hosts.empty()) return nullptr;
  set_key(*list);
  return list;
}

}  // namespace godwit::delivery
