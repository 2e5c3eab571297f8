// Destination: hosts in their order, their retry times, and what comes of trying them.
#include "core/io/fiber.h"
#include "delivery/queue/destination_run.h"
#include "delivery/queue/host_events.h"
#include "delivery/queue/log_lines.h"
#include "delivery/transport/host_scene.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

std::vector<Candidate> Destination::order_of(const HostList& hosts,
                                             const RemoteDelivery& delivery) {
  std::vector<Candidate> out;
  for (const RouteHost& host : hosts.hosts) {
    const uint16_t port = host.port != 0 ? host.port : port_;
    for (const IpAddress& address : host.addresses) out.push_back({&host, {address, port}});
  }
  if (hosts.randomize) shuffle_within_preference(out);
  if (!delivery.in_doubt_host.empty()) {
    std::stable_partition(out.begin(), out.end(), [&](const Candidate& candidate) {
      return candidate.endpoint.to_string() == delivery.in_doubt_host;
    });
  }
  return out;
}

void Destination::shuffle_within_preference(std::vector<Candidate>& candidates) {
  for (size_t start = 0; start < candidates.size();) {
    size_t end = start + 1;
    while (end < candidates.size() &&
           candidates[end].host->preference == candidates[start].host->preference)
      ++end;
    for (size_t i = end - 1; i > start; --i) {
      std::swap(candidates[i], candidates[start + table_.services_.random.below(i - start + 1)]);
    }
    start = end;
  }
}

namespace {

// Where the next exchangers of another preference begin; the end where there are none.
size_t next_preference(const std::vector<Candidate>& candidates, size_t at) {
  size_t next = at + 1;
  const RouteHost& host = *candidates[at].host;
  while (next < candidates.size() && (!candidates[next].host->from_mx || !host.from_mx ||
                                      candidates[next].host->preference <= host.preference))
    ++next;
  return next;
}

}  // namespace

// hosts_max_try never keeps less preferred exchangers from their turn: one of each preference is
// tried in any case.
Task<void> Destination::serve_by_new_connection(RemoteDelivery& delivery,
                                                std::unique_ptr<SmtpConnection>& connection) {
  const SharedHostList hosts = hosts_;  // a later message may bring a newer list meanwhile
  const std::vector<Candidate> candidates = order_of(*hosts, delivery);
  HostTries tries(table_.keeper_, transport_, delivery);
  size_t next = 0;
  for (size_t at = 0; at < candidates.size() && tries.may_try_more(); at = next) {
    const Candidate& candidate = candidates[at];
    next = at + 1;
    delivery.seen.push_back(candidate.endpoint);
    if (hosts->is_of_transport && !transport_.smtp().allow_localhost &&
        table_.services_.hosts.is_local(candidate.endpoint.address)) {
      tries.skip(kErrorHostIsLocal, transport_.name() + " transport found host " +
                                        candidate.host->name + " to be local");
      continue;
    }
    Result<std::string> key = co_await host_key(delivery, candidate);
    if (!key) {
      tries.skip(kErrorUnknown, key.error().detail());
      continue;
    }
    if (tries.must_wait(candidate, *key, now())) continue;
    tries.begin(now());
    const size_t less_preferred = next_preference(candidates, at);
    if (!tries.may_try_more() && less_preferred < candidates.size()) {
      next = less_preferred;
      tries.do_not_count();
    }
    std::optional<DeliveryOutcome> failure =
        co_await try_host(candidate, *key, delivery, connection);
    if (!failure) co_return;
    if (failure->scope == FailureScope::none) {  // nothing is wrong with it
      tries.busy(std::move(*failure), now());
      continue;
    }
    log_host_failure(delivery, *failure);
    co_await tell(delivery.events, "msg:host:defer", failure->remote, failure->text,
                  failure->error_number);
    tries.failed(candidate, *key, std::move(*failure), now());
    if (connection != nullptr) co_await drop(connection);
    if (at + 1 == candidates.size()) tries.fail_where_refused();
  }
  shrink_window();
  finish_with(delivery, std::move(tries).outcome(now()));
}

// What hints about the host are kept under, for this message.
Task<Result<std::string>> Destination::host_key(const RemoteDelivery& delivery,
                                                const Candidate& candidate) const {
  const std::string& name = candidate.host->name;
  if (transport_.interface().source().empty() && transport_.retry_include_ip().constant())
    co_return usual_retry_key(transport_, name, candidate.endpoint);
  if (delivery.side != nullptr)
    co_return co_await delivery.side->host_key(name, candidate.endpoint);
  HostScene scene(table_.services_, name, candidate.endpoint);
  const auto asking = [this, &name, &candidate, &scene] {
    return host_retry_key(transport_, name, candidate.endpoint, scene.evaluation);
  };
  co_return co_await on_fiber(asking);
}

// Nothing: the delivery is settled. Where the host is not what hints said of it, it is tried again
// at once, without believing them.
Task<std::optional<DeliveryOutcome>> Destination::try_host(
    const Candidate& candidate, const std::string& key, RemoteDelivery& delivery,
    std::unique_ptr<SmtpConnection>& connection) {
  for (bool may_believe = true;; may_believe = false) {
    std::optional<DeliveryOutcome> failure =
        co_await open(candidate, delivery, may_believe, connection);
    if (!failure) {
      const bool is_made = co_await make_content(delivery, *connection);
      if (!is_made) co_return std::nullopt;
      Outcomes outcomes = co_await connection->send(job_of(delivery));
      if (!failed_as_a_host(outcomes)) {
        settle(delivery, std::move(outcomes), candidate, key);
        co_return std::nullopt;
      }
      failure = std::move(outcomes.front());
    }
    if (!failure->belief_wrong || !may_believe) co_return failure;
    if (connection != nullptr) co_await drop(connection);
  }
}

const RouteHost& Destination::host_named(std::string_view name) const {
  for (const RouteHost& host : hosts_->hosts) {
    if (host.name == name) return host;
  }
  return hosts_->hosts.front();
}

const std::vector<std::string>& Destination::domains_of(const RemoteDelivery& delivery,
                                                        std::string_view host_name) {
  for (const RouteHost& host : delivery.hosts->hosts) {
    if (host.name == host_name) return host.domains;
  }
  return delivery.hosts->hosts.front().domains;
}

void Destination::log_host_failure(const RemoteDelivery& delivery, const DeliveryOutcome& failure) {
  const std::string line = host_failure_line(failure, table_.config_.options().log_selector);
  table_.services_.log.main(LogEvent::deferral, delivery.message_id, line);
}

}  // namespace godwit::delivery
