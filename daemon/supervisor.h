// Supervisor: the parent of the workers. It binds every listening socket once, starts one worker a
// core, replaces workers that die, reloads on HUP without refusing a connection, and ends them all
// on TERM. Workers that hang get no new connections, and are ended where they go on hanging. It
// owns no mail and has no loop: it waits for signals and for workers to say that they are ready.
#pragma once

#include "daemon/connection_counts.h"
#include "daemon/server_config.h"
#include "daemon/watchdog.h"

#include <sys/types.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace godwit::daemon {

struct SupervisorSetup {
  LoadOptions load;
  std::vector<std::string> arguments;  // of the command line, for the workers
  bool background = false;             // -bd
  bool listens = true;                 // not for -q10m alone
  std::string queue_interval;          // of -q10m; empty: none
};

class Supervisor {
 public:
  Supervisor(std::shared_ptr<const ServerConfig> config, SupervisorSetup setup);
  ~Supervisor();

  // Until it is told to stop. The exit status of the process.
  int run();

 private:
  struct WorkerProcess {
    size_t index = 0;
    size_t section = 0;  // of the connection counts
    unsigned generation = 0;
    int ready_descriptor = -1;  // closed when it is ready
    bool ready = false;
    bool retiring = false;
    WallTime started;
    Watchdog watch;
    WatchLimits limits;  // of the configuration that it was started with
  };

  Result<void> bind_address(const Endpoint& at, std::vector<int>& descriptors) const;
  Result<void> bind_all();
  void spread_connections() const;
  Result<void> bind_patiently();
  Result<void> become_daemon();
  Result<void> write_pid_file() const;
  void block_signals();
  size_t worker_count() const;
  size_t free_section() const;
  bool has_section(size_t section) const;
  // Where the system has no process for it now, that is logged, and it is tried again.
  void start_worker(size_t index);
  void start_missing();
  void start_generation();
  void on_ready(pid_t pid);
  void reap();
  void retire_older();
  WatchLimits watch_limits() const;
  int poll_millis() const;
  void look_after_workers();
  void act_on(Watchdog::Step step, pid_t pid, const WorkerProcess& worker);
  void set_aside(size_t index);
  void take_back(size_t index);
  void reload();
  void stop();
  void tell_all(int signal_number);
  void log(const std::string& text) const;
  std::string announcement() const;
  [[noreturn]] void become_worker(size_t index, size_t section, int ready_descriptor);
  void drop_privileges_of_directories() const;

  std::shared_ptr<const ServerConfig> config_;
  SupervisorSetup setup_;
  pid_t own_pid_;
  // By address: a socket for each worker index, open from the first start on. Where a new
  // configuration has fewer workers, the sockets of those that are gone go to the others.
  std::map<Endpoint, std::vector<int>> sockets_;
  std::unique_ptr<ConnectionCounts> counts_;
  std::map<pid_t, WorkerProcess> workers_;
  unsigned generation_ = 0;
  int signal_descriptor_ = -1;
  int tickets_descriptor_ = -1;   // the secret of session tickets, for all workers
  int announce_descriptor_ = -1;  // -bd: the parent waits for the first worker to be ready
  bool stopping_ = false;
  WallTime stop_deadline_;
  Instant next_look_;         // at workers
  std::set<size_t> missing_;  // workers of this generation that could not be started
};

// What a worker is told on its command line:
// "--worker=INDEX,WORKERS,SECTION,COUNTS,READY,TICKETS,BEAT,ANNOUNCES,FD.FD.FD".
struct WorkerArgument {
  size_t index = 0;
  size_t workers = 1;
  size_t section = 0;  // of the connection counts
  int counts_descriptor = -1;
  int ready_descriptor = -1;
  int tickets_descriptor = -1;
  Millis beat_interval;  // zero: nobody looks
  bool announces = false;
  std::vector<int> listen_descriptors;
};
std::string format_worker_argument(const WorkerArgument& argument);
std::optional<WorkerArgument> parse_worker_argument(std::string_view text);

// Gives up root: to exim_user where set, else to a user "godwit" where there is one. The text says
// what was done, for the log.
Result<std::string> drop_privileges(const ServerConfig& config);

}  // namespace godwit::daemon
