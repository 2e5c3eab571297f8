// One transaction with remote hosts, and with the fallback hosts for whoever those left.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/attempt_events.h"
#include "delivery/queue/local_scene.h"
#include "delivery/queue/log_lines.h"
#include "protocol/message/address_syntax.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

// The recipients that another host may take: not those that a host may have taken already.
std::vector<size_t> still_waiting(const RemoteDelivery& delivery) {
  std::vector<size_t> out;
  for (size_t i = 0; i < delivery.outcomes.size(); ++i) {
    const DeliveryOutcome& outcome = delivery.outcomes[i];
    if (outcome.kind == OutcomeKind::deferred && !outcome.in_doubt) out.push_back(i);
  }
  return out;
}

RemoteDelivery delivery_of(const RemoteDelivery& from, const std::vector<size_t>& recipients) {
  RemoteDelivery out(from.envelope, from.content, from.sender, from.message_id);
  out.received = from.received;
  out.forced = from.forced;
  out.is_retry = from.is_retry;
  out.events = from.events;
  out.maker = from.maker;
  out.side = from.side;
  out.sharing = from.sharing;
  out.port = from.port;
  out.utf8_downconvert = from.utf8_downconvert;
  out.recipients.reserve(recipients.size());
  for (size_t at : recipients) out.recipients.push_back(from.recipients[at]);
  return out;
}

// The hosts that had no turn yet; null for none. `port`: of those that have none of their own.
SharedHostList without(const HostList& hosts, const std::vector<Endpoint>& seen, uint16_t port) {
  auto left = std::make_shared<HostList>(hosts);
  for (RouteHost& host : left->hosts) {
    std::erase_if(host.addresses, [&](const IpAddress& address) {
      const Endpoint endpoint{address, host.port != 0 ? host.port : port};
      return std::ranges::find(seen, endpoint) != seen.end();
    });
  }
  std::erase_if(left->hosts, [](const RouteHost& host) { return host.addresses.empty(); });
  if (left->hosts.empty()) return nullptr;
  set_key(*left);
  return left;
}

// Whether header lines of the transport may be different from connection to connection. What goes
// through a filter or in part is made before there is one.
bool speaks_of_connection(const Transport& transport) {
  const TransportOptions& options = transport.options();
  if (options.transport_filter.is_set || options.body_only || options.headers_only) return false;
  const auto does = [](const acl::Expansion& text) {
    return text.source().find("tls_out_") != std::string_view::npos ||
           text.source().find("sending_") != std::string_view::npos ||
           text.source().find("$host") != std::string_view::npos ||
           text.source().find("${host") != std::string_view::npos;
  };
  return std::ranges::any_of(transport.headers_add(), does) ||
         std::ranges::any_of(transport.headers_remove(), does);
}

}  // namespace

// The content of one batch, for the connection that it goes over.
class DeliveryAttempt::BatchContent final : public ContentMaker {
 public:
  BatchContent(DeliveryAttempt& attempt, const Batch& batch) : attempt_(attempt), batch_(batch) {}

  Task<Result<MessageContent>> make(const RemoteInfo& remote) override {
    const std::unique_ptr<LocalScene> scene =
        attempt_.scene_at(batch_, remote.host_name, remote.endpoint);
    scene->address.sending = remote.local;
    if (!remote.tls.cipher.empty()) scene->evaluation.tls_out = &remote.tls;
    DeliveryOutcome trouble;
    const auto making = [&] {
      return attempt_.changed_content(batch_, scene->evaluation, trouble);
    };
    std::optional<MessageContent> changed = co_await on_fiber(making);
    if (!changed) co_return Error(Errc::lookup_deferred, trouble.text);
    co_return std::move(*changed);
  }

 private:
  DeliveryAttempt& attempt_;
  const Batch& batch_;
};

// What a batch has to say of the hosts that it may go to.
class DeliveryAttempt::BatchSide final : public MessageSide {
 public:
  BatchSide(DeliveryAttempt& attempt, const Batch& batch, const SmtpTransport& transport)
      : attempt_(attempt), batch_(batch), transport_(transport) {}

  Task<Result<std::string>> host_key(const std::string& host_name, const Endpoint& to) override {
    const std::unique_ptr<LocalScene> scene = attempt_.scene_at(batch_, host_name, to);
    const auto asking = [this, &host_name, &to, &scene] {
      return host_retry_key(transport_, host_name, to, scene->evaluation);
    };
    co_return co_await on_fiber(asking);
  }

  std::unique_ptr<LocalScene> scene(const std::string& host_name, const Endpoint& to) override {
    return attempt_.scene_at(batch_, host_name, to);
  }

 private:
  DeliveryAttempt& attempt_;
  const Batch& batch_;
  const SmtpTransport& transport_;
};

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
  if (message_.envelope.smtputf8) {
    const std::unique_ptr<LocalScene> scene = scene_of(batch);
    const auto asking = [&transport, &scene] {
      return transport.utf8_downconvert().evaluate(scene->evaluation);
    };
    const acl::EvalResult mode = co_await on_fiber(asking);
    if (mode.ok()) delivery.utf8_downconvert = parse_utf8_downconvert(mode.text);
  }
  if (progress != nullptr) delivery.in_doubt_host = progress->in_doubt_host;
  delivery.recipients.reserve(batch.members.size());
  for (size_t member : batch.members)
    delivery.recipients.push_back(recipient_to_send(recipients_[member], transport));
  BatchEvents events(*this, batch);
  const bool tells = has_events(batch);
  if (tells || !main_events().empty()) delivery.events = &events;
  BatchContent maker(*this, batch);
  if (speaks_of_connection(transport)) delivery.maker = &maker;
  BatchSide side(*this, batch, transport);
  if (!transport.retry_include_ip().constant() || !transport.of_message().empty())
    delivery.side = &side;
  if (!transport.of_message().empty()) {
    const std::unique_ptr<LocalScene> scene = scene_of(batch);
    const auto asking = [&transport, &scene] {
      return transport.of_message().values(scene->evaluation);
    };
    delivery.sharing = co_await on_fiber(asking);
  }
  co_await queue_.destinations_.deliver(transport, batch.hosts, delivery);
  co_await deliver_to_others(delivery, batch, transport);
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

// Where a host put off the message or some of its recipients, the others that the list has are
// tried in the same attempt, as far as their own retry times allow it.
Task<void> DeliveryAttempt::deliver_to_others(RemoteDelivery& delivery, const Batch& batch,
                                              const SmtpTransport& transport) {
  for (;;) {
    const std::vector<size_t> left = still_waiting(delivery);
    if (left.empty() || delivery.tries >= transport.smtp().hosts_max_try) co_return;
    const uint16_t port = delivery.port != 0 ? delivery.port : transport.default_port();
    const SharedHostList hosts = without(*batch.hosts, delivery.seen, port);
    if (hosts == nullptr) co_return;
    co_await leave_host(delivery, left, batch);
    RemoteDelivery again = delivery_of(delivery, left);
    again.seen = delivery.seen;
    again.tries = delivery.tries;
    co_await queue_.destinations_.deliver(transport, hosts, again);
    if (again.seen.size() == delivery.seen.size()) co_return;  // the server is shutting down
    delivery.seen = std::move(again.seen);
    delivery.tries = again.tries;
    for (size_t i = 0; i < left.size(); ++i) {
      // What the hosts so far said tells more than that the others must wait.
      if (is_retry_not_reached(again.outcomes[i].error_number)) continue;
      delivery.outcomes[left[i]] = std::move(again.outcomes[i]);
    }
  }
}

// Says and remembers that a host did not take the recipients in `left`, before another is tried.
Task<void> DeliveryAttempt::leave_host(const RemoteDelivery& delivery,
                                       const std::vector<size_t>& left, const Batch& batch) {
  const WallTime now = queue_.services_.loop.clock().wall();
  const auto& selectors = queue_.config_->options().log_selector;
  for (size_t at : left) {
    Recipient& recipient = recipients_[batch.members[at]];
    const DeliveryOutcome& outcome = delivery.outcomes[at];
    const bool is_own = outcome.scope == FailureScope::recipient;
    if (outcome.remote == nullptr || (!is_own && outcome.scope != FailureScope::message)) continue;
    if (is_own)  // what is about the message was told when the host said it
      queue_.services_.log.main(LogEvent::deferral, facts_.id,
                                host_failure_line(outcome, selectors));
    recipient.outcome = outcome;
    remember_failure(recipient, now);
    if (!is_own || !has_events(batch)) continue;
    acl::EventFacts event{"msg:rcpt:host:defer", outcome.text, outcome.error_number};
    co_await raise(batch.transport->events(), std::move(event), &recipient, outcome.remote.get());
  }
}

// fallback_hosts: for those that no host took and none refused for good. Not where the message may
// be with a host already, and not where this host is an MX of the domain itself.
Task<void> DeliveryAttempt::deliver_to_fallback(RemoteDelivery& delivery, const Batch& batch,
                                                const SmtpTransport& transport) {
  const Recipient& first = recipients_[batch.members.front()];
  const std::string& of_router = first.route.router->options().fallback_hosts;
  const std::string& names = of_router.empty() ? transport.smtp().fallback_hosts : of_router;
  if (names.empty() || batch.hosts->has_self) co_return;
  const std::vector<size_t> left = still_waiting(delivery);
  if (left.empty()) co_return;
  RemoteDelivery again = delivery_of(delivery, left);
  const acl::AddressFacts address = batch_facts(batch);
  acl::EvalContext evaluation = evaluation_of(address);
  auto finding = [&] { return find_hosts(names, transport, evaluation); };
  const SharedHostList hosts = co_await on_fiber(finding);
  if (hosts == nullptr) co_return;
  co_await queue_.destinations_.deliver(transport, hosts, again);
  for (size_t i = 0; i < left.size(); ++i)
    delivery.outcomes[left[i]] = std::move(again.outcomes[i]);
}

// The first of the names that `name` may stand for that has an address.
FoundAddresses DeliveryAttempt::find_addresses(const std::string& name, const SmtpOptions& smtp,
                                               const FindOptions& options,
                                               acl::EvalContext& evaluation) {
  HostFinder& hosts = queue_.services_.hosts;
  const bool is_qualified = smtp.gethostbyname;  // by the system, which has rules of its own
  const FindMethod method = smtp.gethostbyname ? FindMethod::byname : FindMethod::dns_then_name;
  FoundAddresses found;
  for (const std::string& full : hosts.full_names(name, smtp.dns_qualify_single && !is_qualified,
                                                  smtp.dns_search_parents && !is_qualified)) {
    found = hosts.find_addresses(full, method, options, evaluation);
    if (found.status != FindStatus::none) break;
  }
  return found;
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
  list->is_of_transport = true;
  int preference = 1;
  for (const std::string& item : config::split_list(names)) {
    RouteHost host = parse_route_host(item, randomize ? 1 : preference++);
    FindOptions options;
    options.dnssec_required = matches(transport.dnssec_require, host.name);
    options.dnssec_requested =
        options.dnssec_required || matches(transport.dnssec_request, host.name);
    FoundAddresses found = find_addresses(host.name, transport.smtp(), options, evaluation);
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
