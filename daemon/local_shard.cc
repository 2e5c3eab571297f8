#include "daemon/local_shard.h"

#include "daemon/worker.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace godwit::daemon {
namespace {

// Commands share the number space of workers in message ids with the pid telling them apart.
constexpr uint32_t kCommandWorkerNumber = 511;

Task<bool> close_store(spool::Store& store) {
  co_await store.close();
  co_return true;
}

Task<bool> close_services(EvaluatorServices& services) {
  co_await services.close();
  co_return true;
}

Task<bool> join_queue(delivery::Queue& queue) {
  co_await queue.join();
  co_return true;
}

// The short form of a message id has no room for a number that tells generators of one process
// apart: their start stamps, in hundredths of a second, do.
WallTime start_of_next_shard(WallTime now) noexcept {
  static std::atomic<int64_t> opened{0};
  return now + Millis{10 * opened.fetch_add(1)};
}

}  // namespace

LocalShard::LocalShard(std::shared_ptr<const ServerConfig> config, delivery::AttemptTraces* traces)
    : config_(std::move(config)),
      explanations_(*config_->document.sources, config_->spool_directory),
      traces_(traces == nullptr && config_->explain_share > 0 ? &explanations_ : traces),
      log_(loop_, config_->log_paths, config_->log_style),
      random_(Random::from_system()),
      ids_(static_cast<uint32_t>(getpid()), kCommandWorkerNumber,
           start_of_next_shard(loop_.clock().wall()), config_->id_form(),
           config_->localhost_number),
      evaluators_(loop_, config_) {}

LocalShard::~LocalShard() {
  close();
  wait(close_services(evaluators_));
}

Result<void> LocalShard::open(const std::string& name) {
  const Result<void> made = make_spool_directories(*config_);
  if (!made) return made;
  evaluators_.open_hints(log_);
  hints_ = std::make_unique<retry::HintStore>(open_hints(config_->spool_directory, "retry", log_));
  dir_ = config_->spool_directory + "/shards/" + name;
  is_commands_own_ = !name.starts_with('w');
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
                                            traces_};
  queue_ = std::make_unique<delivery::Queue>(config_->delivery, services);
  Result<std::unique_ptr<spool::Store>> store =
      wait(spool::Store::open(loop_, files_, dir_, spool::StoreOptions(), *queue_));
  if (!store) {
    queue_.reset();
    return store.error();
  }
  store_ = std::move(*store);
  queue_->attach(*store_);
  return {};
}

void LocalShard::deliver() {
  queue_->start();
  while (!queue_->is_idle()) loop_.run_once();
}

void LocalShard::close() {
  if (store_ == nullptr) return;
  queue_->stop();
  wait(join_queue(*queue_));
  const bool is_empty = queue_->stats().messages == 0;
  wait(close_store(*store_));
  queue_.reset();
  store_.reset();
  if (is_empty && is_commands_own_) {
    const Result<std::vector<std::string>> names = files_.list(dir_);
    if (!names) return;
    for (const std::string& name : *names) {
      const std::string path = dir_ + "/" + name;
      if (files_.remove(path)) continue;
      (void)files_.remove_directory(path);
    }
    (void)files_.remove_directory(dir_);
  }
}

std::string own_shard_name() {
  return "c" + std::to_string(getpid()) + "-" + std::to_string(SystemClock().wall().micros);
}

}  // namespace godwit::daemon
