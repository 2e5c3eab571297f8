// World: a queue with its store, routers, retry rules and transports, as a worker has them, in a
// network of simulated hosts, in virtual time. Can be stopped and started again, also by pulling
// the plug.
#pragma once

#include "core/hints/database.h"
#include "delivery/queue/queue.h"
#include "delivery/retry/hints.h"
#include "tests/simulation/names.h"
#include "tests/simulation/network.h"
#include "tests/support/power_cut_files.h"
#include "tls/context_cache.h"
#include "tls/session_cache.h"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace godwit::simulation {

class LogWatcher {
 public:
  virtual ~LogWatcher() = default;
  virtual void on_line(const LogRecord& record) = 0;
};

// What the log says, by message.
class LogBook final : public Log {
 public:
  struct Life {
    unsigned arrived = 0;
    unsigned completed = 0;
  };
  void write(const LogRecord& record) override;
  bool wants_fields() const noexcept override { return false; }

  std::unordered_map<std::string, Life> lives;  // by message id
  std::vector<std::string> problems;            // panics
  LogWatcher* watcher = nullptr;
};

class ScriptedMachine final : public Machine {
 public:
  int64_t load_thousandths() override { return load; }
  Result<DiskRoom> room(const std::string&) override { return DiskRoom(); }
  int64_t load = 0;
};

struct WorldOptions {
  std::string config;
  uint64_t seed = 1;
  Millis job_time{2};
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();

  // The host `name` with one address.
  Host& add_host(const std::string& name, const std::string& address);
  // `domain` has the hosts as its MX, in this order of preference.
  void add_domain(const std::string& domain, const std::vector<std::string>& exchangers);

  // Accepts a message now; its number in the ledger.
  size_t submit(const std::string& sender, const std::vector<std::string>& recipients);
  // Schedules a call at so many seconds after the start.
  template <class F>
  void at(int64_t second, F call) {
    schedule(std::make_unique<ScheduledCall<F>>(std::move(call)), second);
  }
  // Until that second since the start; with `until_empty`, until the queue is empty if that is
  // earlier.
  void run_until(int64_t second, bool until_empty = false);
  // Stops and starts again. `cut`: what was not on the disk is gone.
  void restart(bool cut);

  int64_t now() const;  // seconds since the start
  Loop& loop() noexcept { return *loop_; }
  Network& network() noexcept { return *network_; }
  Names& names() noexcept { return *names_; }
  Ledger& ledger() noexcept { return ledger_; }
  LogBook& log() noexcept { return log_; }
  delivery::Queue& queue() noexcept { return *queue_; }
  spool::Store& store() noexcept { return *store_; }
  hints::MemoryDatabase& hints() noexcept { return *database_; }
  Random& random() noexcept { return random_; }
  ScriptedMachine& machine() noexcept { return machine_; }

  const std::string& id_of(size_t number) const { return message_ids_[number]; }

  unsigned submissions_in_flight = 0;
  unsigned submissions_refused = 0;

 private:
  class Scheduled {
   public:
    Scheduled() : timer([](void* self) noexcept { static_cast<Scheduled*>(self)->run(); }, this) {}
    virtual ~Scheduled() = default;
    virtual void run() noexcept = 0;
    TimerNode timer;
  };
  template <class F>
  class ScheduledCall final : public Scheduled {
   public:
    explicit ScheduledCall(F call) : call_(std::move(call)) {}
    void run() noexcept override { call_(); }

   private:
    F call_;
  };

  void schedule(std::unique_ptr<Scheduled> call, int64_t second);
  void open();
  void close(bool cut);
  void drive(Task<void> task);
  Task<void> open_store();
  Task<void> close_all(bool cut);
  Task<void> accept(size_t number, std::string sender, std::vector<std::string> recipients);

  WorldOptions options_;
  ManualClock clock_;
  std::unique_ptr<Loop> loop_;
  WallTime started_;
  Random random_;
  Ledger ledger_;
  LogBook log_;
  ScriptedMachine machine_;
  test::PowerCutFiles files_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Names> names_;
  std::shared_ptr<const delivery::DeliveryConfig> config_;
  acl::ServerFacts facts_;
  std::unique_ptr<delivery::HostFinder> hosts_;
  hints::MemoryDatabase* database_ = nullptr;  // owned by hints_
  std::unique_ptr<retry::HintStore> hints_;
  std::unique_ptr<message::MessageIdGenerator> ids_;
  std::unique_ptr<tls::ContextCache> contexts_;
  std::unique_ptr<tls::SessionCache> sessions_;
  std::unique_ptr<delivery::Queue> queue_;
  std::unique_ptr<spool::Store> store_;
  Scope scope_;
  std::vector<std::string> message_ids_;  // by number
  std::vector<std::unique_ptr<Scheduled>> scheduled_;
  uint32_t incarnation_ = 0;
};

}  // namespace godwit::simulation
