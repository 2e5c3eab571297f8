#include "daemon/worker.h"

#include "core/base/ascii.h"
#include "daemon/ticket_sharing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

namespace godwit::daemon {
namespace {

constexpr Millis kTakeoverStopPoll{20};
// Sessions that are in the middle of a message, and deliveries, may go on that long after SIGTERM.
constexpr Seconds kGrace{10};
// After a reload sessions go on; those that are still there then are told 421 between messages. The
// message under way has as long as RFC 5321 4.5.3.2 gives the end of data.
constexpr Seconds kRetiredSessions{300};
constexpr Seconds kRetiredGrace{600};
constexpr Millis kRetiredPoll{100};
// How many names a worker tries for its shard while workers of an older configuration still end.
constexpr int kShardNamesMax = 100;

std::string shard_name(size_t index, int attempt) {
  std::string name = "w" + std::to_string(index);
  if (attempt > 0) name += "." + std::to_string(attempt);
  return name;
}

// "w3" is the shard of worker 3, for as long as there is such a worker.
bool is_claimed(std::string_view name, size_t workers) {
  if (!name.starts_with('w')) return false;
  const std::optional<uint64_t> index = parse_decimal(name.substr(1));
  return index && *index < workers;
}

Result<void> make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return error_from_errno(errno, "make directory " + path);
}

Result<void> make_directories(const std::string& path, mode_t mode) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    const Result<void> made = make_directory(path.substr(0, at), 0755);
    if (!made) return made;
  }
  return make_directory(path, mode);
}

}  // namespace

Result<void> make_spool_directories(const ServerConfig& config) {
  for (const char* name : {"", "/shards", "/control", "/db"}) {
    const Result<void> made = make_directories(config.spool_directory + name, 0750);
    if (!made) return made;
  }
  for (const std::string* path :
       {&config.log_paths.messages.directory, &config.log_paths.messages.kept}) {
    if (path->empty()) continue;
    const Result<void> made = make_directories(*path, 0750);
    if (!made) return made;
  }
  for (const std::string* path :
       {&config.log_paths.main, &config.log_paths.json, &config.pid_file_path}) {
    const size_t slash = path->rfind('/');
    if (slash == std::string::npos || slash == 0) continue;
    const Result<void> made = make_directories(path->substr(0, slash), 0750);
    if (!made) return made;
  }
  return {};
}

Worker::Worker(std::shared_ptr<const ServerConfig> config, WorkerSetup setup)
    : config_(std::move(config)),
      setup_(std::move(setup)),
      log_(loop_, config_->log_paths, config_->log_style),
      random_(Random::from_system()),
      ids_(static_cast<uint32_t>(getpid()), static_cast<uint32_t>(setup_.index),
           loop_.clock().wall(), config_->id_form(), config_->localhost_number),
      evaluators_(loop_, config_),
      tickets_(read_ticket_secret(setup_.tickets_descriptor, loop_.clock().wall())),
      tls_contexts_(loop_, log_, &tickets_),
      debugging_(setup_.debug, *config_->document.sources),
      queue_run_timer_(
          [](void* self) noexcept {
            auto* worker = static_cast<Worker*>(self);
            delivery::QueueRun run;
            run.queue_name = worker->setup_.queue_name;
            worker->debugging_.tell_queue_run(run);
            worker->queue_->run_queue(run);
            worker->arm_queue_run();
          },
          this),
      exchange_timer_(
          [](void* self) noexcept {
            auto* worker = static_cast<Worker*>(self);
            worker->scope_.spawn(worker->take_in_exchange());
          },
          this),
      grace_timer_(
          [](void* self) noexcept {
            auto* worker = static_cast<Worker*>(self);
            worker->inbound_->abort();
            worker->queue_->abort();
          },
          this),
      beat_timer_([](void* self) noexcept { static_cast<Worker*>(self)->beat(); }, this) {}

Worker::~Worker() = default;

int Worker::run() {
  evaluators_.names().show(debugging_.trace());
  std::signal(SIGPIPE, SIG_IGN);
  SignalWatcher terminate(
      loop_, SIGTERM, [](void* self) noexcept { static_cast<Worker*>(self)->on_terminate(); },
      this);
  SignalWatcher interrupt(
      loop_, SIGINT, [](void* self) noexcept { static_cast<Worker*>(self)->on_terminate(); }, this);
  SignalWatcher retire(
      loop_, kRetireSignal, [](void* self) noexcept { static_cast<Worker*>(self)->on_retire(); },
      this);
  SignalWatcher reopen(
      loop_, SIGUSR1, [](void* self) noexcept { static_cast<Worker*>(self)->on_reopen(); }, this);
  scope_.spawn(live());
  // Signals alone do not keep the loop alive; the worker lives until its task has ended.
  while (scope_.running() > 0) loop_.run_once();
  return exit_status_;
}

Task<void> Worker::live() {
  // Commands are taken before the spool is open, and answered when it is.
  open_control();
  const bool opened = co_await open_store();
  if (!opened || !open_listeners()) {
    exit_status_ = 1;
    if (control_ != nullptr) control_->stop();
    begin_commands();
    if (opened) co_await shut_down();
    if (!opened && control_ != nullptr) co_await control_->join();
    co_return;
  }
  if (!setup_.announcement.empty()) log_.main(LogEvent::daemon, "", setup_.announcement);
  if (setup_.beat_interval.count > 0) beat();
  if (setup_.ready_descriptor >= 0) {
    const char ready = 'r';
    if (::write(setup_.ready_descriptor, &ready, 1) != 1) exit_status_ = 1;
    ::close(setup_.ready_descriptor);
  }
  if (setup_.index == 0) {
    exchange_ = std::make_unique<Exchange>(loop_, *config_, *store_, *queue_, log_);
    co_await exchange_->settle();
  }
  queue_->start();
  begin_commands();
  arm_queue_run();
  if (setup_.index == 0) {
    scope_.spawn(adopt_orphans());
    begin_tidy();
  }
  co_await leave_;
  if (!is_terminated_) co_await retire();
  co_await shut_down();
}

// Who follows deliveries: -d, else explain_sample, else nobody.
delivery::AttemptTraces* Worker::traces() noexcept {
  if (debugging_.attempts() != nullptr) return debugging_.attempts();
  return explain_.get();
}

Task<bool> Worker::open_store() {
  if (config_->explain_share > 0) {
    explain_ = std::make_unique<ExplainKeeper>(loop_, *config_->document.sources,
                                               config_->spool_directory, config_->explain_share);
    co_await explain_->open();
  }
  evaluators_.open_hints(log_);
  hints_ = std::make_unique<retry::HintStore>(open_hints(config_->spool_directory, "retry", log_));
  for (int attempt = 0; attempt < kShardNamesMax; ++attempt) {
    shard_name_ = shard_name(setup_.index, attempt);
    const std::string dir = config_->spool_directory + "/shards/" + shard_name_;
    const delivery::DeliveryServices services{loop_,
                                              nullptr,
                                              log_,
                                              evaluators_.names().hosts(),
                                              *hints_,
                                              random_,
                                              ids_,
                                              config_->facts,
                                              tls_contexts_,
                                              tls_sessions_,
                                              &evaluators_.names().dane(),
                                              &evaluators_.get(),
                                              nullptr,
                                              &machine_,
                                              traces()};
    queue_ = std::make_unique<delivery::Queue>(config_->delivery, services);
    Result<std::unique_ptr<spool::Store>> store =
        co_await spool::Store::open(loop_, files_, dir, spool::StoreOptions(), *queue_);
    if (!store && store.error().code() == Errc::locked) continue;
    if (!store) {
      log_.panic(LogEvent::spool, "", "cannot open the spool: " + store.error().to_string());
      co_return false;
    }
    store_ = std::move(*store);
    queue_->attach(*store_);
    co_return true;
  }
  log_.panic(LogEvent::spool, "",
             "every shard of worker " + std::to_string(setup_.index) + " is locked");
  co_return false;
}

void Worker::open_control() {
  Result<std::unique_ptr<ControlServer>> control =
      ControlServer::open(loop_, control_path(config_->spool_directory, setup_.index), *this);
  if (control) {
    control_ = std::move(*control);
  } else {
    log_.panic(LogEvent::daemon, "", control.error().to_string());
  }
}

bool Worker::open_listeners() {
  if (setup_.counts_descriptor >= 0) {
    Result<std::unique_ptr<ConnectionCounts>> counts =
        ConnectionCounts::attach(setup_.counts_descriptor, setup_.counts_section);
    if (counts) counts_ = std::move(*counts);
  }
  if (counts_ == nullptr) counts_ = ConnectionCounts::make_private();
  const InboundServices services{loop_,
                                 *store_,
                                 *queue_,
                                 log_,
                                 ids_,
                                 *counts_,
                                 evaluators_.get(),
                                 tls_contexts_,
                                 evaluators_.names().hosts(),
                                 debugging_.trace(),
                                 explain_.get()};
  inbound_ = std::make_unique<Inbound>(config_, services);
  debugging_.tell_user("worker " + std::to_string(setup_.index));
  for (const Endpoint& at : config_->listen)
    acl::tell(debugging_.trace(), {acl::TraceKind::interface, {}, at.to_string(), "listens", {}});
  for (const IpAddress& own : config_->facts.local_addresses)
    acl::tell(debugging_.trace(), {acl::TraceKind::interface, {}, own.to_string(), "local", {}});
  const int backlog =
      static_cast<int>(std::clamp<int64_t>(config_->options().smtp_connect_backlog, 1, 65535));
  ConnectionHandler* handler = inbound_.get();
  if (setup_.index == 0 && setup_.workers > 1) {
    packed_ = std::make_unique<PackedInbound>(*inbound_, setup_.workers, setup_.listen_descriptors);
    handler = packed_.get();
  }
  for (int descriptor : setup_.listen_descriptors) {
    set_keepalive(descriptor, config_->options().smtp_accept_keepalive);
    Result<std::unique_ptr<Listener>> listener =
        Listener::open(loop_, descriptor, UvStream::Kind::tcp, backlog, *handler);
    if (!listener) {
      log_.panic(LogEvent::daemon, "", listener.error().to_string());
      return false;
    }
    (*listener)->watch_backlog(static_cast<uint32_t>(
        std::clamp<int64_t>(config_->options().smtp_backlog_monitor, 0, UINT32_MAX)));
    listeners_.push_back(std::move(*listener));
  }
  return true;
}

// What other workers do from now on: new connections, and the work for the spool as a whole.
void Worker::hand_over() {
  listeners_.clear();
  queue_run_timer_.disarm();
  exchange_timer_.disarm();
  if (control_ != nullptr) control_->stop();
  if (exchange_ != nullptr) exchange_->stop();
  if (tidy_ != nullptr) tidy_->stop();
}

// Workers with a newer configuration have taken over: sessions go on to their end, and so do
// deliveries meanwhile, as they began.
Task<void> Worker::retire() {
  hand_over();
  const Instant until = loop_.clock().now() + kRetiredSessions;
  while (!is_terminated_ && inbound_->sessions() > 0 && loop_.clock().now() < until)
    co_await Sleep(loop_.timers(), kRetiredPoll);
}

// Sessions and deliveries end, or are ended after the grace; then the spool closes.
Task<void> Worker::shut_down() {
  hand_over();
  queue_->stop();
  if (inbound_ != nullptr) inbound_->stop();
  is_ending_ = true;
  loop_.timers().set(grace_timer_, loop_.clock().now() + (is_terminated_ ? kGrace : kRetiredGrace));
  if (inbound_ != nullptr) co_await inbound_->join();
  co_await queue_->join();
  if (control_ != nullptr) co_await control_->join();
  if (explain_ != nullptr) co_await explain_->join();
  grace_timer_.disarm();
  // What is being taken over ends with the shard at hand.
  while (adopting_ || (exchange_ != nullptr && exchange_->is_busy()))
    co_await Sleep(loop_.timers(), kTakeoverStopPoll);
  co_await evaluators_.close();
  co_await store_->close();
}

void Worker::on_terminate() {
  if (std::exchange(is_terminated_, true)) return;
  if (is_ending_) loop_.timers().set(grace_timer_, loop_.clock().now() + kGrace);
  on_retire();
}

void Worker::on_retire() {
  if (!leave_.is_set()) leave_.set();
}

void Worker::on_reopen() {
  log_.reopen();
  if (queue_ != nullptr && setup_.index == 0 && !leave_.is_set()) scope_.spawn(adopt_orphans());
}

void Worker::beat() {
  counts_->beat();
  loop_.timers().set(beat_timer_, loop_.clock().now() + setup_.beat_interval);
}

void Worker::arm_queue_run() {
  if (!setup_.queue_interval || setup_.queue_interval->count == 0 || leave_.is_set()) return;
  loop_.timers().set(queue_run_timer_, loop_.clock().now() + *setup_.queue_interval);
}

// Hints are shared by the workers: one of them is enough.
void Worker::begin_tidy() {
  const Seconds retry_kept = config_->options().retry_data_expire;
  tidy_ = std::make_unique<HintsTidy>(
      loop_, std::vector<TidiedHints>{
                 {&hints_->database(), &retry_changed_at, retry_kept},
                 {&evaluators_.rates(), &rate_changed_at, kHintsKept},
                 {&evaluators_.seen(), &seen_changed_at, kHintsKept},
                 {&evaluators_.callouts().cache(), &callout_changed_at, kHintsKept},
             });
  scope_.spawn(tidy_->run());
}

// Takes over shards that nobody owns: of workers that are no more, and of local submissions.
Task<void> Worker::adopt_orphans() {
  if (adopting_) {
    adopt_again_ = true;
    co_return;
  }
  adopting_ = true;
  do {
    adopt_again_ = false;
    const std::vector<Event*> waiting = std::exchange(waiting_for_adoption_, {});
    co_await adopt_once();
    for (Event* over : waiting) over->set();
  } while (adopt_again_ && !leave_.is_set());
  adopting_ = false;
  for (Event* over : std::exchange(waiting_for_adoption_, {})) over->set();
  if (!leave_.is_set() && exchange_ != nullptr)
    loop_.timers().set(exchange_timer_, loop_.clock().now() + kExchangeInterval);
}

Task<void> Worker::adopt_once() {
  const std::string base = config_->spool_directory + "/shards";
  auto listing = blocking(loop_, [this, base] { return files_.list(base); });
  const Result<std::vector<std::string>> names = co_await listing;
  if (!names) co_return;
  // Submissions may have chosen messages to follow.
  if (explain_ != nullptr) co_await explain_->open();
  for (const std::string& name : *names) {
    if (is_claimed(name, setup_.workers) || leave_.is_set()) continue;
    const Result<void> adopted = co_await store_->adopt(base + "/" + name, *queue_);
    if (adopted || adopted.error().code() == Errc::locked ||
        adopted.error().code() == Errc::not_found)
      continue;
    log_.panic(LogEvent::spool, "",
               "cannot take over shard " + name + ": " + adopted.error().to_string());
  }
  if (exchange_ != nullptr) co_await exchange_->take_in();
  queue_->start();
}

// A round that is under way may be past a shard that this call is about: the next one counts.
Task<void> Worker::adopt_all() {
  if (!adopting_) {
    co_await adopt_orphans();
    co_return;
  }
  Event over;
  waiting_for_adoption_.push_back(&over);
  adopt_again_ = true;
  co_await over;
}

// Between adoptions: only input/ is looked at.
Task<void> Worker::take_in_exchange() {
  if (adopting_) co_return;  // which does it
  co_await exchange_->take_in();
  if (!leave_.is_set())
    loop_.timers().set(exchange_timer_, loop_.clock().now() + kExchangeInterval);
}

void Worker::begin_commands() {
  takes_commands_ = true;
  for (Event* waiting : std::exchange(waiting_commands_, {})) waiting->set();
}

Task<std::string> Worker::handle(ControlCommand command) {
  if (!takes_commands_) {
    Event opened;
    waiting_commands_.push_back(&opened);
    co_await opened;
  }
  if (store_ == nullptr || inbound_ == nullptr)
    co_return control_answer(Error(Errc::locked, "the worker could not start"));
  const std::string argument = command.arguments.empty() ? std::string() : command.arguments[0];
  const std::string second = command.arguments.size() < 2 ? std::string() : command.arguments[1];
  const auto has = [&](std::string_view word) {
    return std::find(command.arguments.begin(), command.arguments.end(), word) !=
           command.arguments.end();
  };
  if (command.verb == ControlVerb::adopt) {
    co_await adopt_orphans();
    co_return "ok";
  }
  if (command.verb == ControlVerb::run) {
    if (exchange_ != nullptr) co_await adopt_all();
    const auto value_of = [&](std::string_view key) {
      for (const std::string& word : command.arguments) {
        if (word.starts_with(key)) return word.substr(key.size());
      }
      return std::string();
    };
    const delivery::QueueRun run{has("forced"),      has("frozen"),      has("first"),
                                 value_of("queue="), value_of("match="), value_of("sender="),
                                 has("regex"),       value_of("from="),  value_of("to=")};
    debugging_.tell_queue_run(run);
    queue_->run_queue(run);
    co_return "ok";
  }
  if (command.verb == ControlVerb::stats) {
    const delivery::QueueStats stats = queue_->stats();
    const TurnStats turns = loop_.take_turn_stats();
    co_return "ok messages=" + std::to_string(stats.messages) +
        " active=" + std::to_string(stats.active) + " frozen=" + std::to_string(stats.frozen) +
        " connections=" + std::to_string(stats.connections) +
        " delivered=" + std::to_string(stats.delivered) +
        " deferred=" + std::to_string(stats.deferred) + " failed=" + std::to_string(stats.failed) +
        " completed=" + std::to_string(stats.completed) +
        " in_doubt=" + std::to_string(stats.in_doubt) +
        " sessions=" + std::to_string(inbound_->sessions()) +
        " queue_bytes=" + std::to_string(queue_->memory_bytes()) +
        " store_bytes=" + std::to_string(store_->stats().memory_bytes) +
        " longest_turn_us=" + std::to_string(turns.longest_micros) +
        " longest_turn_cpu_us=" + std::to_string(turns.longest_cpu_micros) +
        " slow_turns=" + std::to_string(turns.slow);
  }
  const Result<message::MessageId> id = message::MessageId::parse(argument);
  if (!id) co_return control_answer(Error(Errc::invalid_argument, "no message id: " + argument));
  switch (command.verb) {
    case ControlVerb::find:
      if (!queue_->has(*id)) co_return control_answer(Error(Errc::not_found, "no message"));
      co_return "ok " + shard_name_;
    case ControlVerb::deliver:
    case ControlVerb::try_deliver:
      co_return control_answer(queue_->deliver_now(*id, command.verb == ControlVerb::deliver));
    case ControlVerb::freeze:
      co_return control_answer(queue_->freeze(*id, command.who));
    case ControlVerb::thaw:
      co_return control_answer(queue_->thaw(*id, command.who));
    case ControlVerb::remove:
      co_return control_answer(queue_->remove(*id, command.who));
    case ControlVerb::add_recipient:
      co_return control_answer(queue_->add_recipient(*id, second, command.who));
    case ControlVerb::move:
      co_return control_answer(queue_->move(*id, second));
    case ControlVerb::set_sender:
      co_return control_answer(queue_->set_sender(*id, second == "<>" ? "" : second, command.who));
    case ControlVerb::mark:
    case ControlVerb::mark_all: {
      const Result<void> marked = co_await queue_->mark_delivered(*id, second, command.who);
      co_return control_answer(marked);
    }
    case ControlVerb::give_up: {
      const Result<void> given_up = co_await queue_->give_up(*id, command.who);
      co_return control_answer(given_up);
    }
    default:
      co_return control_answer(Error(Errc::unsupported, "unknown command"));
  }
}

}  // namespace godwit::daemon
