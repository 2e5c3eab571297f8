// Destination: from a host to a connection.
#include "core/io/fiber.h"
#include "delivery/queue/destination_run.h"
#include "delivery/queue/host_events.h"
#include "delivery/queue/local_scene.h"
#include "delivery/transport/host_scene.h"

#include <utility>

namespace godwit::delivery {

SmtpOpener Destination::opener() const {
  const DeliveryServices& services = table_.services_;
  return {{services.loop, services.log, services.random, services.server, table_.config_.options(),
           services.tls, services.tls_sessions, &services.hints.database(), services.dane,
           services.evaluators},
          transport_};
}

Task<std::optional<DeliveryOutcome>> Destination::open(
    const Candidate& candidate, const RemoteDelivery& delivery, bool may_believe,
    std::unique_ptr<SmtpConnection>& connection) {
  EventSink* events = delivery.events;
  const SmtpHost host{candidate.host->name,
                      candidate.host->initial_name,
                      candidate.endpoint,
                      candidate.host->secure,
                      candidate.host->from_mx,
                      candidate.host->secure_alias,
                      domains_of(delivery, candidate.host->name)};
  const SmtpOpener prepares = opener();
  std::unique_ptr<LocalScene> scene;
  if (!transport_.of_message().empty() && delivery.side != nullptr)
    scene = delivery.side->scene(host.name, host.endpoint);
  acl::EvalContext* message = scene != nullptr ? &scene->evaluation : nullptr;
  PreparedOpening prepared = co_await prepares.prepare(host, SmtpUse::deliver, message);
  if (prepared.failure) {
    if (!prepared.dane_failure.empty())
      co_await tell(events, "dane:fail", prepared.failure->remote, prepared.dane_failure);
    co_return prepared.failure;
  }
  prepared.opening.events = events;
  prepared.opening.uses_memory = may_believe;
  std::string problem;
  std::optional<DeliveryOutcome> failure =
      co_await open_as(host, prepared.opening, message, connection, problem);
  if (!failure || problem.empty()) co_return failure;
  SmtpOpening in_clear = prepares.in_clear(std::move(prepared.opening), host, problem);
  co_return co_await open_as(host, std::move(in_clear), message, connection, problem);
}

// `tls_problem`: why TLS failed, where the host may be tried in clear.
Task<std::optional<DeliveryOutcome>> Destination::open_as(
    const SmtpHost& host, SmtpOpening opening, acl::EvalContext* message,
    std::unique_ptr<SmtpConnection>& connection, std::string& tls_problem) {
  std::unique_ptr<HostClaim> claim;
  if (co_await is_serialized(host, message)) {
    claim = HostClaim::take(table_.services_.hints.database(), host.name,
                            table_.services_.loop.clock().wall());
    if (claim == nullptr) {
      DeliveryOutcome busy = host_not_now(host, "serialize_hosts: another connection is open");
      busy.scope = FailureScope::none;
      busy.error_number = kErrorRetryNotReached;
      co_return busy;
    }
  }
  connection = std::make_unique<SmtpConnection>(table_.services_.loop, table_.connector(),
                                                transport_, host.name, host.endpoint, host.is_mx);
  open_.push_back(connection.get());
  if (claim != nullptr) claims_[connection.get()] = std::move(claim);
  EventSink* events = opening.events;
  std::optional<DeliveryOutcome> failure = co_await connection->open(std::move(opening));
  if (failure) {
    tls_problem = connection->tls_problem();
    std::erase(open_, connection.get());
    claims_.erase(connection.get());
    const std::unique_ptr<SmtpConnection> closed = std::move(connection);
    if (closed->is_connected()) co_await tell(events, "tcp:close", closed->remote());
  }
  co_return failure;
}

Task<bool> Destination::is_serialized(const SmtpHost& host, acl::EvalContext* message) const {
  if (transport_.serialize == nullptr) co_return false;
  HostScene scene(table_.services_, host.name, host.endpoint);
  acl::EvalContext& evaluation = message != nullptr ? *message : scene.evaluation;
  const auto ask = [this, &host, &evaluation] {
    return SmtpTransport::matches(transport_.serialize, host.name, host.endpoint.address,
                                  evaluation);
  };
  co_return co_await on_fiber(ask);
}

}  // namespace godwit::delivery
