#include "delivery/queue/destination.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/host_events.h"
#include "delivery/queue/log_lines.h"
#include "tls/context_cache.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

// One address of one host, in the order of trying.
struct Candidate {
  const RouteHost* host;
  Endpoint endpoint;
};

DeliveryOutcome retry_not_reached(std::string text, WallTime next_try) {
  DeliveryOutcome out;
  out.error_number = kErrorRetryNotReached;
  out.text = std::move(text);
  out.next_try = next_try;
  return out;
}

}  // namespace

std::string host_retry_key(const SmtpTransport& transport, const std::string& host_name,
                           const Endpoint& to) {
  std::string key = "T:" + host_name;
  if (transport.includes_ip_in_retry()) key += ":" + to.address.to_string();
  if (to.port != 25) key += ":" + std::to_string(to.port);
  return key;
}

class Destination {
 public:
  Destination(DestinationTable& table, std::string key, const SmtpTransport& transport,
              SharedHostList hosts)
      : key_(std::move(key)),
        table_(table),
        transport_(transport),
        hosts_(std::move(hosts)),
        window_(static_cast<double>(
            std::max<int64_t>(1, transport.smtp().destination_concurrency_initial))) {}

  const std::string& key() const noexcept { return key_; }

  void add(RemoteDelivery& delivery) {
    delivery.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &delivery;
    last_ = &delivery;
    ++waiting_;
    dispatch();
  }
  void set_hosts(SharedHostList hosts) { hosts_ = std::move(hosts); }
  void wake_idle() {
    while (!idle_.empty()) wake(idle_.back());
  }
  void abort() {
    for (SmtpConnection* connection : open_) connection->abort();
  }

 private:
  // A connection that waits for work. Lives in the frame of its coroutine.
  struct Idle {
    Destination& destination;
    TimerNode timer;
    std::coroutine_handle<> waiter;

    explicit Idle(Destination& owner) : destination(owner), timer(&Idle::on_timeout, this) {}
    static void on_timeout(void* self) noexcept {
      auto* idle = static_cast<Idle*>(self);
      idle->destination.wake(idle);
    }
    bool await_ready() const noexcept {
      return destination.waiting_ > 0 || destination.table_.stopping_;
    }
    void await_suspend(std::coroutine_handle<> handle) {
      waiter = handle;
      destination.idle_.push_back(this);
      Timers& timers = destination.table_.services_.loop.timers();
      timers.set(timer,
                 timers.clock().now() + destination.transport_.smtp().destination_idle_timeout);
    }
    void await_resume() const noexcept {}
  };

  void wake(Idle* idle) {
    idle_.erase(std::find(idle_.begin(), idle_.end(), idle));
    idle->timer.disarm();
    std::exchange(idle->waiter, {}).resume();
  }

  void dispatch() {
    if (dispatching_) return;
    dispatching_ = true;
    // The connection that was used last is the likeliest to be still there.
    while (waiting_ > 0 && !idle_.empty()) wake(idle_.back());
    while (waiting_ > starting_ && static_cast<double>(connections_) + 1 <= window_ &&
           !table_.stopping_) {
      ++connections_;
      ++table_.connections_;
      ++starting_;
      table_.scope_.spawn(run());
    }
    dispatching_ = false;
    if (table_.stopping_)
      defer_waiting("the server is shutting down", table_.services_.loop.clock().wall());
  }

  RemoteDelivery* take() {
    RemoteDelivery* delivery = first_;
    if (delivery == nullptr) return nullptr;
    first_ = delivery->next;
    if (first_ == nullptr) last_ = nullptr;
    --waiting_;
    return delivery;
  }

  // Resumes who waits for the delivery. Work that this brings (the next message) only queues up:
  // the connection that has just done this one takes it, instead of a new one being opened for it.
  void finish(RemoteDelivery& delivery) {
    const bool outer = std::exchange(dispatching_, true);
    std::exchange(delivery.waiter, {}).resume();
    dispatching_ = outer;
  }

  void finish_with(RemoteDelivery& delivery, const DeliveryOutcome& outcome) {
    delivery.outcomes.assign(delivery.recipients.size(), outcome);
    finish(delivery);
  }

  void defer_waiting(const std::string& why, WallTime next_try) {
    while (RemoteDelivery* delivery = take())
      finish_with(*delivery, retry_not_reached(why, next_try));
  }

  // The life of one connection slot: connects for the first delivery that waits, goes on with
  // others, waits a while, and ends.
  Task<void> run() {
    std::unique_ptr<SmtpConnection> connection;
    bool starting = true;
    for (;;) {
      RemoteDelivery* delivery = take();
      if (delivery == nullptr && connection != nullptr) {
        Idle idle(*this);
        co_await idle;
        delivery = take();
      }
      if (delivery == nullptr) break;
      if (waiting_ > 0) dispatch();
      co_await serve(*delivery, connection);
      if (std::exchange(starting, false)) --starting_;
      const int64_t max = transport_.smtp().connection_max_messages;
      const bool worn = connection != nullptr && max > 0 && connection->messages_sent() >= max;
      if (connection != nullptr && (worn || !connection->is_usable())) co_await drop(connection);
      if (connection == nullptr && waiting_ > 0 && static_cast<double>(connections_) > window_)
        break;
    }
    if (starting) --starting_;
    if (connection != nullptr) co_await drop(connection);
    --connections_;
    --table_.connections_;
    if (!dispatching_) dispatch();  // for what waits; the last connection ends the destination
  }

  Task<void> drop(std::unique_ptr<SmtpConnection>& connection) {
    co_await connection->quit();
    std::erase(open_, connection.get());
    const std::unique_ptr<SmtpConnection> closed = std::move(connection);
    if (transport_.events().empty()) co_return;
    HostEvents events(transport_, table_.services_);
    co_await tell(&events, "tcp:close", closed->remote());
  }

  // Gives `delivery` its outcomes: over `connection` where it is open, else over a new one to the
  // first host that answers.
  Task<void> serve(RemoteDelivery& delivery, std::unique_ptr<SmtpConnection>& connection) {
    if (connection != nullptr) {
      std::vector<DeliveryOutcome> outcomes = co_await connection->send(job_of(delivery));
      // The server may have closed just when we began: nothing was refused, nothing is in doubt.
      const bool was_stale =
          outcomes.front().scope == FailureScope::host && outcomes.front().unanswered;
      if (!was_stale) {
        settle(delivery, std::move(outcomes), *connection);
        co_return;
      }
      co_await drop(connection);
    }
    co_await serve_by_new_connection(delivery, connection);
  }

  Task<void> serve_by_new_connection(RemoteDelivery& delivery,
                                     std::unique_ptr<SmtpConnection>& connection) {
    const std::vector<Candidate> candidates = order_of(delivery);
    const WallTime now = table_.services_.loop.clock().wall();
    std::optional<DeliveryOutcome> last;
    WallTime earliest{INT64_MAX};
    int64_t tried = 0;
    size_t skipped = 0;
    bool all_expired = !candidates.empty();
    for (const Candidate& candidate : candidates) {
      if (tried >= transport_.smtp().hosts_max_try) break;
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
      if (record && record->next_try > now && !delivery.forced) {
        ++skipped;
        earliest = std::min(earliest, record->next_try);
        continue;
      }
      ++tried;
      std::optional<DeliveryOutcome> failure =
          co_await open(candidate, delivery.events, connection);
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
      log_host_failure(delivery, *failure);
      co_await tell(delivery.events, "msg:host:defer", failure->remote, failure->text,
                    failure->error_number);
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

  // No host took it: every recipient waits or fails, and so does whatever else waits here.
  void settle_without_host(RemoteDelivery& delivery, std::optional<DeliveryOutcome> last,
                           WallTime earliest, bool expired, bool tried) {
    const WallTime now = table_.services_.loop.clock().wall();
    if (earliest.micros == INT64_MAX) earliest = now + kRoutingRetryDelay;
    DeliveryOutcome outcome =
        last
            ? std::move(*last)
            : retry_not_reached(
                  expired ? "all hosts have been failing for a long time and were last tried after "
                            "this message arrived"
                          : "retry time not reached for any host",
                  earliest);
    outcome.next_try = earliest;
    outcome.retry_expired = expired && (tried || transport_.smtp().delay_after_cutoff);
    finish_with(delivery, outcome);
    if (tried && connections_ <= 1) defer_waiting("retry time not reached for any host", earliest);
  }

  void settle(RemoteDelivery& delivery, std::vector<DeliveryOutcome> outcomes,
              const SmtpConnection& connection) {
    if (outcomes.front().in_doubt) {
      ++table_.in_doubt_count_;
      const WallTime now = table_.services_.loop.clock().wall();
      const Candidate candidate{&host_named(connection.remote()->host_name),
                                connection.remote()->endpoint};
      const std::string key = host_retry_key(transport_, candidate.host->name, candidate.endpoint);
      const retry::RetryKeeper::Verdict verdict =
          table_.keeper_.failed(failed_of(delivery, candidate, key, outcomes.front()));
      for (DeliveryOutcome& outcome : outcomes) {
        outcome.next_try = std::max(verdict.next_try, now);
        outcome.retry_expired = verdict.give_up;
      }
      shrink_window();
    } else {
      grow_window();
    }
    delivery.outcomes = std::move(outcomes);
    finish(delivery);
  }

  const RouteHost& host_named(std::string_view name) const {
    for (const RouteHost& host : hosts_->hosts) {
      if (host.name == name) return host;
    }
    return hosts_->hosts.front();
  }

  retry::RetryKeeper::Failed failed_of(const RemoteDelivery& delivery, const Candidate& candidate,
                                       std::string_view key, const DeliveryOutcome& failure) const {
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

  void log_host_failure(const RemoteDelivery& delivery, const DeliveryOutcome& failure) {
    const std::string line =
        host_field(failure, table_.config_.options().log_selector) + " " + failure.text;
    table_.services_.log.main(LogEvent::deferral, delivery.message_id, line);
  }

  std::vector<Candidate> order_of(const RemoteDelivery& delivery) {
    std::vector<Candidate> out;
    for (const RouteHost& host : hosts_->hosts) {
      const uint16_t port = host.port != 0 ? host.port : transport_.default_port();
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

  void shuffle_within_preference(std::vector<Candidate>& candidates) {
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

  // What lists and expressions say of a host. On a fiber.
  SmtpOpening opening_of(const Candidate& candidate, const DanePlan& dane) const {
    acl::AddressFacts address;
    address.host = candidate.host->name;
    address.host_address = candidate.endpoint.address.to_string();
    address.host_port = candidate.endpoint.port;
    acl::EvalContext evaluation;
    evaluation.services = table_.services_.evaluators;
    evaluation.server = &table_.services_.server;
    evaluation.address = &address;
    evaluation.now = table_.services_.loop.clock().wall();
    const acl::EvalResult helo = transport_.helo_data().evaluate(evaluation);
    const IpAddress& ip = candidate.endpoint.address;
    const auto matches = [&](const std::shared_ptr<const acl::ListPattern>& list) {
      return SmtpTransport::matches(list, candidate.host->name, ip, evaluation);
    };
    SmtpOpening out;
    out.helo_name =
        helo.ok() && !helo.text.empty() ? helo.text : table_.services_.server.primary_hostname;
    out.pipelining = !matches(transport_.avoid_pipelining);
    out.esmtp = !matches(transport_.avoid_esmtp);
    out.chunking = matches(transport_.try_chunking);
    out.from = local_address(ip, evaluation);
    const TlsTarget target{candidate.host->name, ip, dane, table_.config_.options().openssl_options,
                           evaluation.now};
    out.tls = transport_.tls().plan(target, evaluation);
    return out;
  }

  Task<std::optional<DeliveryOutcome>> open(const Candidate& candidate, EventSink* events,
                                            std::unique_ptr<SmtpConnection>& connection) {
    const DanePlan dane = co_await ask_dane(candidate);
    if (dane.use == DanePlan::Use::defer) {
      DeliveryOutcome failure = not_now(candidate, dane.problem);
      co_await tell(events, "dane:fail", failure.remote,
                    dane.is_required ? "dane-required" : "dnssec-invalid");
      co_return failure;
    }
    auto ask = [this, &candidate, &dane] { return opening_of(candidate, dane); };
    SmtpOpening opening = co_await on_fiber(ask);
    if (opening.tls.problem.empty() && opening.tls.attempts) {
      auto context = co_await table_.services_.tls.client(opening.tls.settings);
      if (context) {
        opening.tls.context = *context;
      } else {
        opening.tls.problem = "TLS session: " + context.error().detail();
      }
    }
    if (!opening.tls.problem.empty()) co_return not_now(candidate, opening.tls.problem);
    opening.tls.session.sessions = &table_.services_.tls_sessions;
    opening.events = events;
    SmtpOpening in_clear = opening;
    std::string problem;
    std::optional<DeliveryOutcome> failure =
        co_await open_as(candidate, std::move(opening), connection, problem);
    if (!failure || problem.empty()) co_return failure;
    table_.services_.log.main(LogEvent::deferral, "",
                              problem + ": delivering unencrypted to H=" + candidate.host->name +
                                  " [" + candidate.endpoint.address.to_string() +
                                  "] (not in hosts_require_tls)");
    in_clear.tls = TlsPlan();
    co_return co_await open_as(candidate, std::move(in_clear), connection, problem);
  }

  // `tls_problem`: why TLS failed, where the host may be tried in clear.
  Task<std::optional<DeliveryOutcome>> open_as(const Candidate& candidate, SmtpOpening opening,
                                               std::unique_ptr<SmtpConnection>& connection,
                                               std::string& tls_problem) {
    connection =
        std::make_unique<SmtpConnection>(table_.services_.loop, transport_, candidate.host->name,
                                         candidate.endpoint, candidate.host->from_mx);
    open_.push_back(connection.get());
    EventSink* events = opening.events;
    std::optional<DeliveryOutcome> failure = co_await connection->open(std::move(opening));
    if (failure) {
      tls_problem = connection->tls_problem();
      std::erase(open_, connection.get());
      const std::unique_ptr<SmtpConnection> closed = std::move(connection);
      if (closed->is_connected()) co_await tell(events, "tcp:close", closed->remote());
    }
    co_return failure;
  }

  // What DANE asks of a host; nothing where nobody can ask DNS, or nobody wants to know.
  Task<DanePlan> ask_dane(const Candidate& candidate) {
    DaneFinder* finder = table_.services_.dane;
    if (finder == nullptr) co_return DanePlan();
    acl::EvalContext evaluation;
    evaluation.services = table_.services_.evaluators;
    evaluation.server = &table_.services_.server;
    const auto ask = [this, &candidate, &evaluation] {
      const auto matches = [&](const std::shared_ptr<const acl::ListPattern>& list) {
        return SmtpTransport::matches(list, candidate.host->name, candidate.endpoint.address,
                                      evaluation);
      };
      return std::pair(matches(transport_.tls().try_dane), matches(transport_.tls().require_dane));
    };
    const auto [tries, requires_dane] = co_await on_fiber(ask);
    if (!tries && !requires_dane) co_return DanePlan();
    DaneAnswer answer;
    if (candidate.host->secure)
      answer = co_await finder->find(candidate.host->name, candidate.endpoint.port);
    DanePlan plan = dane_policy(tries, requires_dane, candidate.host->name, std::move(answer));
    if (plan.use == DanePlan::Use::no && !plan.problem.empty())
      table_.services_.log.main(LogEvent::note, "", plan.problem);
    co_return plan;
  }

  DeliveryOutcome not_now(const Candidate& candidate, std::string why) const {
    DeliveryOutcome out;
    auto remote = std::make_shared<RemoteInfo>();
    remote->host_name = candidate.host->name;
    remote->endpoint = candidate.endpoint;
    out.remote = std::move(remote);
    out.scope = FailureScope::host;
    out.error_number = kErrorTlsFailure;
    out.text = std::move(why);
    return out;
  }

  // The first address of `interface` that has the family of `to`.
  std::optional<IpAddress> local_address(const IpAddress& to, acl::EvalContext& evaluation) const {
    const acl::EvalResult list = transport_.interface().evaluate(evaluation);
    if (!list.ok()) return std::nullopt;
    for (const std::string& item : config::split_list(list.text)) {
      const Result<IpAddress> address = IpAddress::parse(item);
      if (address && address->is_v6() == to.is_v6()) return *address;
    }
    return std::nullopt;
  }

  // Grows by one for a window's worth of successes, and only where the window is in use.
  void grow_window() {
    const auto limit =
        static_cast<double>(std::max<int64_t>(1, transport_.smtp().destination_concurrency_limit));
    const auto initial = static_cast<double>(transport_.smtp().destination_concurrency_initial);
    if (window_ >= static_cast<double>(connections_) + initial) return;
    window_ = std::min(limit, window_ + 1.0 / window_);
  }
  void shrink_window() { window_ = std::max(1.0, window_ - 1.0); }

  SmtpJob job_of(const RemoteDelivery& delivery) const {
    return {delivery.envelope, delivery.content, delivery.sender, delivery.recipients};
  }

  static constexpr Seconds kRoutingRetryDelay{900};

  std::string key_;
  DestinationTable& table_;
  const SmtpTransport& transport_;
  SharedHostList hosts_;
  RemoteDelivery* first_ = nullptr;
  RemoteDelivery* last_ = nullptr;
  size_t waiting_ = 0;
  size_t connections_ = 0;
  size_t starting_ = 0;  // connections that have not yet finished their first delivery
  std::vector<Idle*> idle_;
  std::vector<SmtpConnection*> open_;
  double window_;
  bool dispatching_ = false;
};

void DestinationTable::Awaiter::await_suspend(std::coroutine_handle<> waiter) {
  delivery.waiter = waiter;
  destination.add(delivery);
}

DestinationTable::DestinationTable(const DeliveryConfig& config, const DeliveryServices& services)
    : config_(config),
      services_(services),
      keeper_(services.hints, config.retry,
              {config.options().retry_interval_max, config.options().retry_data_expire},
              services.random) {}

DestinationTable::~DestinationTable() = default;

DestinationTable::Awaiter DestinationTable::deliver(const SmtpTransport& transport,
                                                    const SharedHostList& hosts,
                                                    RemoteDelivery& delivery) {
  std::string key = transport.name() + " " + hosts->key;
  auto found = destinations_.find(key);
  if (found == destinations_.end()) {
    auto destination = std::make_unique<Destination>(*this, key, transport, hosts);
    found = destinations_.emplace(std::move(key), std::move(destination)).first;
  } else {
    found->second->set_hosts(hosts);
  }
  return {*found->second, delivery};
}

void DestinationTable::stop() {
  stopping_ = true;
  std::vector<Destination*> all;
  for (const auto& [key, destination] : destinations_) all.push_back(destination.get());
  for (Destination* destination : all) destination->wake_idle();
}

void DestinationTable::abort() {
  for (const auto& [key, destination] : destinations_) destination->abort();
}

Task<void> DestinationTable::join() {
  co_await scope_.join();
}

}  // namespace godwit::delivery
