// Worker: one process, one loop, one shard of the spool. The composition root of everything that
// moves mail: it constructs it in order, runs until it is told to stop, and takes it down in
// reverse. Used by the supervisor's children, and by commands that deliver by themselves (-q, -M,
// -odi).
#pragma once

#include "core/io/event.h"
#include "core/io/listener.h"
#include "core/io/machine.h"
#include "core/io/signals.h"
#include "daemon/control.h"
#include "daemon/exchange.h"
#include "daemon/explain_keeper.h"
#include "daemon/hints_tidy.h"
#include "daemon/inbound.h"
#include "daemon/packing.h"
#include "daemon/services.h"
#include "daemon/trace_text.h"
#include "delivery/retry/hints.h"
#include "tls/context_cache.h"
#include "tls/session_cache.h"
#include "tls/tickets.h"

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::daemon {

// Tells a worker that newer ones have taken over: it ends with its last session.
inline constexpr int kRetireSignal = SIGUSR2;

struct WorkerSetup {
  size_t index = 0;
  size_t workers = 1;  // how many there are: shards of these are left to their owners
  std::vector<int> listen_descriptors;
  int counts_descriptor = -1;
  size_t counts_section = 0;
  Millis beat_interval;         // of Worker::beat(); zero: nobody looks
  int tickets_descriptor = -1;  // the secret of session tickets; -1: one of its own
  int ready_descriptor = -1;    // gets a byte when the worker accepts mail
  std::optional<Seconds> queue_interval;
  std::string queue_name;               // of the queue that is run
  std::optional<DebugSelectors> debug;  // -d
  std::string announcement;             // line of worker 0 in the main log
};

class Worker final : ControlHandler {
 public:
  Worker(std::shared_ptr<const ServerConfig> config, WorkerSetup setup);
  ~Worker() override;

  // Until SIGTERM, or the last session after kRetireSignal; the exit status of the process.
  int run();

 private:
  Task<void> live();
  delivery::AttemptTraces* traces() noexcept;
  Task<bool> open_store();
  void open_control();
  bool open_listeners();
  // Lets go on whoever asked before the spool was open.
  void begin_commands();
  void hand_over();
  Task<void> retire();
  Task<void> shut_down();
  Task<void> adopt_orphans();  // returns at once where that is under way
  Task<void> adopt_once();
  Task<void> adopt_all();  // waits for whoever does it
  void begin_tidy();
  Task<void> take_in_exchange();
  void on_terminate();
  void on_retire();
  void on_reopen();
  void arm_queue_run();
  void beat();
  Task<std::string> handle(ControlCommand command) override;

  std::shared_ptr<const ServerConfig> config_;
  WorkerSetup setup_;
  Loop loop_;
  LogWriter log_;
  SystemFiles files_;
  SystemMachine machine_{loop_.clock()};
  Random random_;
  message::MessageIdGenerator ids_;
  EvaluatorServices evaluators_;
  tls::TicketKeys tickets_;
  tls::ContextCache tls_contexts_;
  tls::SessionCache tls_sessions_;
  Debugging debugging_;
  std::unique_ptr<ExplainKeeper> explain_;  // explain_sample
  std::unique_ptr<retry::HintStore> hints_;
  std::unique_ptr<ConnectionCounts> counts_;
  std::string shard_name_;
  std::unique_ptr<spool::Store> store_;
  std::unique_ptr<delivery::Queue> queue_;
  std::unique_ptr<Exchange> exchange_;  // of worker 0
  std::unique_ptr<HintsTidy> tidy_;     // of worker 0
  std::unique_ptr<Inbound> inbound_;
  std::unique_ptr<PackedInbound> packed_;  // of worker 0, where there are others
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unique_ptr<ControlServer> control_;
  TimerNode queue_run_timer_;
  TimerNode exchange_timer_;
  TimerNode grace_timer_;
  TimerNode beat_timer_;  // tells the supervisor that the loop turns
  Event leave_;           // told to retire, or to end
  Scope scope_;
  std::vector<Event*> waiting_commands_;
  std::vector<Event*> waiting_for_adoption_;
  bool takes_commands_ = false;
  bool is_terminated_ = false;
  bool is_ending_ = false;  // shut_down() waits
  bool adopting_ = false;
  bool adopt_again_ = false;
  int exit_status_ = 0;
};

// Makes the directories that a spool needs; the error names the one that could not be made.
Result<void> make_spool_directories(const ServerConfig& config);

}  // namespace godwit::daemon
