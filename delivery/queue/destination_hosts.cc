// Destination: hosts in their order, their retry times, and what comes of trying them.
#include "delivery/queue/destination_run.h"
#include "delivery/queue/log_lines.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr Seconds kRoutingRetryDelay{900};
constexpr Seconds kBusyHostDelay{10};  // serialize_hosts

}  // namespace

DeliveryOutcome retry_not_reached(std::string text, WallTime next_try) {
  DeliveryOutcome out;
  out.error_number = kErrorRetryNotReached;
  out.text = std::move(text);
  out.next_try = next_try;
  return out;
}

std::string host_retry_key(const SmtpTransport& transport, const std::string& host_name,
                           const Endpoint& to) {
  std::string key = "T:" + host_name;
  if (transport.includes_ip_in_retry()) key += ":" + to.address.to_string();
  if (to.port != 25) key += ":" + std::to_string(to.port);
  return key;
}

std::vector<Candidate> Destination::order_of(const RemoteDelivery& delivery) {
  std::vector<Candidate> out;
  for (const RouteHost& host : hosts_->hosts) {
    const uint16_t port = host.port != 0 ? host.port : port_;
    for (const IpAddress& address : host.addresses) out.push_back({&host, {address, port}});
  }
  if (hosts_->randomize) shuffle_within_preference(out);
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

Task<void> Destination::serve_by_new_connection(RemoteDelivery& delivery,
                                                std::unique_ptr<SmtpConnection>& connection) {
  const SharedHostList hosts = hosts_;  // candidates point into it
  const std::vector<Candidate> candidates = order_of(delivery);
  const WallTime now = table_.services_.loop.clock().wall();
  std::optional<DeliveryOutcome> last;
  WallTime earliest{INT64_MAX};
  int64_t tried = 0;
  int64_t skipped = 0;
  bool all_expired = !candidates.empty();
  const bool tries_expired = !transport_.smtp().delay_after_cutoff && is_past_cutoff(candidates);
  for (const Candidate& candidate : candidates) {
    if (tried >= transport_.smtp().hosts_max_try ||
        tried + skipped >= transport_.smtp().hosts_max_try_hardlimit)
      break;
    if (!transport_.smtp().allow_localhost &&
        table_.services_.hosts.is_local(candidate.endpoint.address)) {
      last.emplace();
      last->error_number = kErrorNone;
      last->text = "host " + candidate.host->name + " is the local host";
      all_expired = false;
      continue;
    }
    const std::string key = host_retry_key(transport_, candidate.host->name, candidate.endpoint);
    const std::optional<retry::RetryRecord> record = table_.keeper_.find(key, now);
    if (record && !record->expired) all_expired = false;
    const bool is_due = !record || record->next_try <= now || delivery.forced ||
                        (tries_expired && record->last_try < delivery.received);
    if (!is_due) {
      ++skipped;
      earliest = std::min(earliest, record->next_try);
      continue;
    }
    ++tried;
    std::optional<DeliveryOutcome> failure = co_await open(candidate, connection);
    std::vector<DeliveryOutcome> outcomes;
    if (!failure) {
      if (record) table_.keeper_.succeeded(key);
      outcomes = co_await connection->send(job_of(delivery));
      const bool host_failed = outcomes.front().scope == FailureScope::host;
      if (!host_failed || outcomes.front().in_doubt) {
        settle(delivery, std::move(outcomes), *connection);
        co_return;
      }
      failure = std::move(outcomes.front());
    }
    if (failure->scope == FailureScope::none) {  // nothing is wrong with it
      all_expired = false;
      earliest = std::min(earliest, now + kBusyHostDelay);
      last = std::move(failure);
      continue;
    }
    log_host_failure(delivery, *failure);
    const retry::RetryKeeper::Verdict verdict =
        table_.keeper_.failed(failed_of(delivery, candidate, key, *failure));
    if (!verdict.give_up) all_expired = false;
    earliest = std::min(earliest, verdict.next_try);
    last = std::move(failure);
    if (connection != nullptr) co_await drop(connection);
  }
  shrink_window();
  settle_without_host(delivery, std::move(last), earliest,
                      all_expired && (tried > 0 || skipped > 0), tried > 0);
}

// True where every address has been failing for longer than its retry rule wants to see.
bool Destination::is_past_cutoff(const std::vector<Candidate>& candidates) {
  const WallTime now = table_.services_.loop.clock().wall();
  return std::ranges::all_of(candidates, [&](const Candidate& candidate) {
    const std::string key = host_retry_key(transport_, candidate.host->name, candidate.endpoint);
    const std::optional<retry::RetryRecord> record = table_.keeper_.find(key, now);
    return record && record->expired;
  });
}

// No host took it: every recipient waits or fails, and so does whatever else waits here.
void Destination::settle_without_host(RemoteDelivery& delivery, std::optional<DeliveryOutcome> last,
                                      WallTime earliest, bool expired, bool tried) {
  const WallTime now = table_.services_.loop.clock().wall();
  if (earliest.micros == INT64_MAX) earliest = now + kRoutingRetryDelay;
  DeliveryOutcome outcome =
      last ? std::move(*last)
           : retry_not_reached(
                 expired ? "all hosts have been failing for a long time and were last tried after "
                           "this message arrived"
                         : "retry time not reached for any host",
                 earliest);
  outcome.next_try = earliest;
  outcome.retry_expired = expired;
  finish_with(delivery, outcome);
  if (tried && connections_ <= 1) defer_waiting("retry time not reached for any host", earliest);
}

const RouteHost& Destination::host_named(std::string_view name) const {
  for (const RouteHost& host : hosts_->hosts) {
    if (host.name == name) return host;
  }
  return hosts_->hosts.front();
}

retry::RetryKeeper::Failed Destination::failed_of(const RemoteDelivery& delivery,
                                                  const Candidate& candidate, std::string_view key,
                                                  const DeliveryOutcome& failure) const {
  retry::RetryKeeper::Failed failed;
  const std::string_view address = delivery.recipients.front().address;
  failed.key = key;
  failed.rule_key = address.substr(std::min(address.rfind('@') + 1, address.size()));
  failed.host = candidate.host->name;
  failed.sender = delivery.sender;
  failed.failure = failure.failure;
  failed.error_number = failure.error_number;
  failed.text = failure.text;
  failed.received = delivery.received;
  failed.now = table_.services_.loop.clock().wall();
  return failed;
}

void Destination::log_host_failure(const RemoteDelivery& delivery, const DeliveryOutcome& failure) {
  const std::string line =
      host_field(failure, table_.config_.options().log_selector) + " " + failure.text;
  table_.services_.log.main(LogEvent::deferral, delivery.message_id, line);
}

}  // namespace godwit::delivery
