#include "delivery/queue/destination.h"

#include "core/base/ascii.h"
#include "delivery/queue/destination_run.h"
#include "delivery/queue/host_events.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

Destination::Destination(DestinationTable& table, std::string key, const SmtpTransport& transport,
                         SharedHostList hosts, uint16_t port)
    : key_(std::move(key)),
      table_(table),
      transport_(transport),
      hosts_(std::move(hosts)),
      port_(port),
      window_(static_cast<double>(
          std::max<int64_t>(1, transport.smtp().destination_concurrency_initial))) {
  if (has_failed_lately(table.keeper_, transport, *hosts_, port_, now())) window_ = 1;
}

// A connection that waits for work. Lives in the frame of its coroutine.
struct Destination::Idle {
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

// --- The queue -----------------------------------------------------------------------------------

void Destination::add(RemoteDelivery& delivery) {
  delivery.next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = &delivery;
  last_ = &delivery;
  ++waiting_;
  dispatch();
}

// For a delivery that was taken and not tried: it is the next one again.
void Destination::put_back(RemoteDelivery& delivery) {
  delivery.next = first_;
  first_ = &delivery;
  if (last_ == nullptr) last_ = &delivery;
  ++waiting_;
}

// The next one; null where `connection` may not take it.
RemoteDelivery* Destination::take(const SmtpConnection* connection) {
  RemoteDelivery* delivery = deferring_ ? nullptr : first_;
  if (delivery == nullptr || !is_for(connection, *delivery)) return nullptr;
  pop_first();
  return delivery;
}

// Where a name of the recipients' domain vouches for a host, it does so for that domain only.
bool Destination::is_for(const SmtpConnection* connection, const RemoteDelivery& delivery) {
  if (connection == nullptr || connection->only_for().empty()) return true;
  const std::vector<std::string>& domains = domains_of(delivery, connection->remote()->host_name);
  return !domains.empty() && equals_ignore_case(domains.front(), connection->only_for());
}

void Destination::pop_first() {
  first_ = first_->next;
  if (first_ == nullptr) last_ = nullptr;
  --waiting_;
}

void Destination::wake_idle() {
  while (!idle_.empty()) wake(idle_.back());
}

void Destination::wake(Idle* idle) {
  idle_.erase(std::find(idle_.begin(), idle_.end(), idle));
  idle->timer.disarm();
  std::exchange(idle->waiter, {}).resume();
}

void Destination::abort() {
  // An end may bring others about.
  const std::vector<SmtpConnection*> all = open_;
  for (SmtpConnection* connection : all) {
    if (std::find(open_.begin(), open_.end(), connection) != open_.end()) connection->abort();
  }
}

void Destination::dispatch() {
  if (dispatching_) return;
  dispatching_ = true;
  // The connection that was used last is the likeliest to be still there.
  while (waiting_ > 0 && !idle_.empty()) wake(idle_.back());
  while (waiting_ > starting_ && connections_ < connections_max() && !table_.stopping_) {
    ++connections_;
    ++table_.connections_;
    ++starting_;
    table_.scope_.spawn(run());
  }
  nudge_busy();
  dispatching_ = false;
  if (table_.stopping_) defer_waiting();
}

// What no new connection will take may follow on what is under way.
void Destination::nudge_busy() {
  for (;;) {
    const auto found = std::ranges::find_if(
        busy_, [this](const SmtpConnection* connection) { return may_add(*connection); });
    if (found == busy_.end()) return;
    const size_t before = waiting_;
    (*found)->nudge();
    if (waiting_ >= before) return;
  }
}

bool Destination::may_add(const SmtpConnection& connection) const {
  if (deferring_ || waiting_ <= starting_ || !idle_.empty() || !connection.has_room()) return false;
  if (!is_for(&connection, *first_)) return false;
  if (first_->maker != nullptr) return false;  // its content is not made yet
  const int64_t max = transport_.smtp().connection_max_messages;
  if (max > 0 && connection.messages_sent() >= max) return false;
  return connection.may_start(job_of(*first_));
}

// Resumes who waits for the delivery. Work that this brings (the next message) only queues up: the
// connection that has just done this one takes it, instead of a new one being opened for it.
void Destination::finish(RemoteDelivery& delivery) {
  const bool outer = std::exchange(dispatching_, true);
  delivery.is_finished = true;
  if (delivery.waiter) std::exchange(delivery.waiter, {}).resume();
  dispatching_ = outer;
}

void Destination::finish_with(RemoteDelivery& delivery, const DeliveryOutcome& outcome) {
  delivery.outcomes.assign(delivery.recipients.size(), outcome);
  finish(delivery);
}

// The end: what waits is for another process. Nobody takes any of it meanwhile.
void Destination::defer_waiting() {
  if (first_ == nullptr || deferring_) return;
  deferring_ = true;
  table_.scope_.spawn(defer_in_turns());
}

Task<void> Destination::defer_in_turns() {
  Loop& loop = table_.services_.loop;
  while (first_ != nullptr) {
    RemoteDelivery& delivery = *first_;
    pop_first();
    DeliveryOutcome put_back =
        retry_not_reached("the server is shutting down", loop.clock().wall());
    put_back.is_put_back = true;
    finish_with(delivery, put_back);
    co_await yield_if_late(loop);
  }
  deferring_ = false;
}

// Where one of the hosts may have one connection only, there is no use in opening more.
size_t Destination::connections_max() const noexcept {
  return transport_.serialize != nullptr ? 1 : static_cast<size_t>(window_);
}

// Grows by one for a window's worth of successes, and only where the window is in use.
void Destination::grow_window() {
  const auto limit =
      static_cast<double>(std::max<int64_t>(1, transport_.smtp().destination_concurrency_limit));
  const auto initial = static_cast<double>(transport_.smtp().destination_concurrency_initial);
  if (window_ >= static_cast<double>(connections_) + initial) return;
  window_ = std::min(limit, window_ + 1.0 / window_);
}

void Destination::shrink_window() {
  window_ = std::max(1.0, window_ - 1.0);
}

// --- A connection --------------------------------------------------------------------------------

// The life of one connection slot: connects for the first delivery that waits, goes on with others,
// waits a while, and ends.
Task<void> Destination::run() {
  std::unique_ptr<SmtpConnection> connection;
  bool starting = true;
  for (;;) {
    RemoteDelivery* delivery = take(connection.get());
    if (delivery == nullptr && connection != nullptr) {
      Idle idle(*this);
      co_await idle;
      delivery = take(connection.get());
    }
    if (delivery == nullptr) break;
    if (waiting_ > 0) dispatch();
    if (connection != nullptr) {
      co_await serve_open(*delivery, *connection);
    } else {
      co_await serve_by_new_connection(*delivery, connection);
    }
    if (std::exchange(starting, false)) --starting_;
    const int64_t max = transport_.smtp().connection_max_messages;
    const bool worn = connection != nullptr && max > 0 && connection->messages_sent() >= max;
    if (connection != nullptr && (worn || !connection->is_usable())) co_await drop(connection);
    if (connection == nullptr && waiting_ > 0 && connections_ > connections_max()) break;
  }
  if (starting) --starting_;
  if (connection != nullptr) co_await drop(connection);
  --connections_;
  --table_.connections_;
  if (dispatching_) co_return;
  dispatch();  // for what waits
  table_.forget_unused(*this);
}

Task<void> Destination::drop(std::unique_ptr<SmtpConnection>& connection) {
  co_await connection->quit();
  std::erase(open_, connection.get());
  claims_.erase(connection.get());
  const std::unique_ptr<SmtpConnection> closed = std::move(connection);
  if (transport_.events().empty()) co_return;
  HostEvents events(transport_, table_.services_);
  co_await tell(&events, "tcp:close", closed->remote());
}

// Delivery after delivery over an open connection, several under way where the host allows it. What
// the host did not even look at goes back into the queue: it may have closed just when we began.
Task<void> Destination::serve_open(RemoteDelivery& first, SmtpConnection& connection) {
  const bool is_made = co_await make_content(first, connection);
  if (!is_made) co_return;
  std::deque<RemoteDelivery*> sent{&first};
  std::vector<RemoteDelivery*> untouched;
  co_await connection.start(job_of(first));
  while (!sent.empty()) {
    while (untouched.empty() && may_add(connection)) {
      sent.push_back(take(&connection));
      co_await connection.start(job_of(*sent.back()));
    }
    busy_.push_back(&connection);
    std::optional<Outcomes> outcomes = co_await connection.finish();
    std::erase(busy_, &connection);
    if (!outcomes) continue;
    RemoteDelivery& done = *sent.front();
    sent.pop_front();
    if (outcomes->front().scope == FailureScope::host && outcomes->front().unanswered) {
      untouched.push_back(&done);
    } else {
      co_await settle_on(done, std::move(*outcomes), connection);
    }
  }
  while (!untouched.empty()) {
    put_back(*untouched.back());
    untouched.pop_back();
  }
  if (table_.stopping_) defer_waiting();
}

// False, and settled, where it cannot be made.
Task<bool> Destination::make_content(RemoteDelivery& delivery, const SmtpConnection& connection) {
  if (delivery.maker == nullptr) co_return true;
  Result<MessageContent> made = co_await delivery.maker->make(*connection.remote());
  if (made) {
    delivery.made.emplace(std::move(*made));
    co_return true;
  }
  DeliveryOutcome outcome;
  outcome.scope = FailureScope::recipient;
  outcome.text = made.error().detail();
  finish_with(delivery, outcome);
  co_return false;
}

// The same for a connection that was there before the delivery.
Task<void> Destination::settle_on(RemoteDelivery& delivery, Outcomes outcomes,
                                  const SmtpConnection& connection) {
  const Candidate candidate{&host_named(connection.remote()->host_name),
                            connection.remote()->endpoint};
  const Result<std::string> key = co_await host_key(delivery, candidate);
  settle(delivery, std::move(outcomes), candidate,
         key ? *key : usual_retry_key(transport_, candidate.host->name, candidate.endpoint));
}

// `outcomes` came over a session. A host that failed in its middle is remembered for those
// recipients that had no answer.
void Destination::settle(RemoteDelivery& delivery, Outcomes outcomes, const Candidate& candidate,
                         const std::string& key) {
  if (std::ranges::find(delivery.seen, candidate.endpoint) == delivery.seen.end()) {
    delivery.seen.push_back(candidate.endpoint);
    ++delivery.tries;
  }
  const auto told = std::ranges::find_if(outcomes, [](const DeliveryOutcome& outcome) {
    return outcome.kind == OutcomeKind::deferred &&
           (outcome.scope == FailureScope::host || outcome.scope == FailureScope::message);
  });
  if (told != outcomes.end()) log_host_failure(delivery, *told);
  const auto failure = std::ranges::find(outcomes, FailureScope::host, &DeliveryOutcome::scope);
  if (failure == outcomes.end()) {
    remember_success(table_.keeper_, key, delivery, outcomes);
    grow_window();
  } else {
    if (failure->in_doubt) ++table_.in_doubt_count_;
    const retry::RetryKeeper::Verdict verdict =
        table_.keeper_.failed(host_failure_of(delivery, candidate, key, *failure, now()));
    for (DeliveryOutcome& outcome : outcomes) {
      if (outcome.scope != FailureScope::host) continue;
      outcome.next_try = verdict.next_try;
      outcome.expires = verdict.expires;
      outcome.retry_until = verdict.retry_until;
      outcome.retry_expired = verdict.give_up;
    }
    shrink_window();
  }
  for (DeliveryOutcome& outcome : outcomes) {
    if (outcome.scope == FailureScope::message) outcome.host_key = key;
  }
  delivery.outcomes = std::move(outcomes);
  finish(delivery);
}

// --- The table -----------------------------------------------------------------------------------

// False where it could be settled at once: then nobody is resumed from here.
bool DestinationTable::Awaiter::await_suspend(std::coroutine_handle<> waiter) {
  Destination& to = destination;
  delivery.queued = to.now();
  delivery.is_finished = false;
  to.add(delivery);
  const bool waits = !delivery.is_finished;
  if (waits) delivery.waiter = waiter;
  to.table().forget_unused(to);
  return waits;
}

DestinationTable::DestinationTable(const DeliveryConfig& config, const DeliveryServices& services)
    : config_(config),
      services_(services),
      sockets_(services.loop),
      keeper_(services.hints, config.retry,
              {config.options().retry_interval_max, config.options().retry_data_expire},
              services.random) {}

DestinationTable::~DestinationTable() = default;

DestinationTable::Awaiter DestinationTable::deliver(const SmtpTransport& transport,
                                                    const SharedHostList& hosts,
                                                    RemoteDelivery& delivery) {
  const uint16_t port = delivery.port != 0 ? delivery.port : transport.default_port();
  delivery.hosts = hosts;
  std::string key = transport.name() + " " + std::to_string(port) + " " + hosts->key;
  if (!delivery.sharing.empty()) key += " " + delivery.sharing;
  auto found = destinations_.find(key);
  if (found == destinations_.end()) {
    auto destination = std::make_unique<Destination>(*this, key, transport, hosts, port);
    found = destinations_.emplace(std::move(key), std::move(destination)).first;
  } else {
    found->second->set_hosts(hosts);
  }
  return {*found->second, delivery};
}

// Nothing is kept of a destination but the hints about its hosts.
void DestinationTable::forget_unused(Destination& destination) {
  if (stopping_ || !destination.is_unused()) return;
  const auto found = destinations_.find(destination.key());
  if (found != destinations_.end()) destinations_.erase(found);
}

// From now on destinations come, and none goes: they stay until the table does.
void DestinationTable::stop() {
  stopping_ = true;
  scope_.spawn(stop_all());
}

Task<void> DestinationTable::stop_all() {
  for (const auto& [key, destination] : destinations_) {
    destination->wake_idle();
    co_await yield_if_late(services_.loop);
  }
}

void DestinationTable::abort() {
  scope_.spawn(abort_all());
}

Task<void> DestinationTable::abort_all() {
  for (const auto& [key, destination] : destinations_) {
    destination->abort();
    co_await yield_if_late(services_.loop);
  }
}

Task<void> DestinationTable::join() {
  co_await scope_.join();
}

}  // namespace godwit::delivery
