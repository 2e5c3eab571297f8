// LocalShard: a shard of the spool opened by a command instead of a worker: to put a message into
// it, to deliver what it holds, to carry out an operator's command while no daemon runs.
#pragma once

#include "core/io/log_writer.h"
#include "core/io/machine.h"
#include "daemon/explain_keeper.h"
#include "daemon/server_config.h"
#include "daemon/services.h"
#include "delivery/queue/queue.h"
#include "delivery/retry/hints.h"
#include "tls/context_cache.h"
#include "tls/session_cache.h"

#include <memory>
#include <string>

namespace godwit::daemon {

class LocalShard {
 public:
  // `traces`, where not null, is told of deliveries and outlives the shard; otherwise those of
  // messages that explain_sample chose are added to their records.
  explicit LocalShard(std::shared_ptr<const ServerConfig> config,
                      delivery::AttemptTraces* traces = nullptr);
  ~LocalShard();

  // Opens <spool>/shards/<name>; locked where somebody owns it.
  Result<void> open(const std::string& name);
  // Runs `task` on the shard's loop to its end.
  template <class T>
  T wait(Task<T> task);
  // Delivers until nothing is under way and nothing is due.
  void deliver();
  // Everything is on disk, the lock is free. An empty shard of a command goes away.
  void close();

  Loop& loop() noexcept { return loop_; }
  Log& log() noexcept { return log_; }
  spool::Store& store() noexcept { return *store_; }
  delivery::Queue& queue() noexcept { return *queue_; }
  message::MessageIdGenerator& ids() noexcept { return ids_; }
  EvaluatorServices& evaluators() noexcept { return evaluators_; }
  tls::ContextCache& tls_contexts() noexcept { return tls_contexts_; }

 private:
  std::shared_ptr<const ServerConfig> config_;
  CommandExplanations explanations_;
  delivery::AttemptTraces* traces_;
  Loop loop_;
  LogWriter log_;
  SystemFiles files_;
  SystemMachine machine_{loop_.clock()};
  Random random_;
  message::MessageIdGenerator ids_;
  EvaluatorServices evaluators_;
  tls::ContextCache tls_contexts_{loop_, log_, nullptr};
  tls::SessionCache tls_sessions_;
  std::unique_ptr<retry::HintStore> hints_;
  std::unique_ptr<spool::Store> store_;
  std::unique_ptr<delivery::Queue> queue_;
  std::string dir_;
  bool is_commands_own_ = false;
};

template <class T>
T LocalShard::wait(Task<T> task) {
  std::optional<T> result;
  Scope scope;
  struct Runner {
    static Task<void> run(Task<T> inner, std::optional<T>& out) { out.emplace(co_await inner); }
  };
  scope.spawn(Runner::run(std::move(task), result));
  while (!result) loop_.run_once();
  return std::move(*result);
}

// A name for a shard of this process.
std::string own_shard_name();

}  // namespace godwit::daemon
