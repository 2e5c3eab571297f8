// ContextCache: one context for each set of settings, loaded on the thread pool, looked at again
// when a file behind it was replaced. A new file that is broken keeps the old context and says so
// in the log. One a worker.
#pragma once

#include "core/io/loop.h"
#include "core/io/task.h"
#include "core/log/log.h"
#include "tls/context.h"
#include "tls/limits.h"

#include <memory>
#include <string>
#include <unordered_map>

namespace godwit::tls {

class ContextCache {
 public:
  // `tickets` may be null. All outlive the cache.
  ContextCache(Loop& loop, Log& log, TicketKeys* tickets)
      : loop_(loop), log_(log), tickets_(tickets) {}
  ContextCache(const ContextCache&) = delete;
  ContextCache& operator=(const ContextCache&) = delete;

  // The context for `settings` as its files are now (give or take kFileCheckInterval). Suspends
  // only where files must be looked at.
  Task<Result<std::shared_ptr<const ServerContext>>> server(ServerSettings settings);
  Task<Result<std::shared_ptr<const ClientContext>>> client(ClientSettings settings);
  size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::shared_ptr<const Context> context;
    Instant checked;
    uint64_t used = 0;
    std::string problem;  // of the last look at the files, so that it is logged once
  };
  using Loaded = Result<std::shared_ptr<const Context>>;

  // The entry that may be used as it is; null where files must be looked at first.
  std::shared_ptr<const Context> fresh(const std::string& key);
  // Keeps what a job brought; a null context says that `old` is as good as ever.
  Loaded keep(const std::string& key, const std::shared_ptr<const Context>& old, Loaded loaded);
  std::shared_ptr<const Context> known(const std::string& key) const;
  void make_room();

  Loop& loop_;
  Log& log_;
  TicketKeys* tickets_;
  std::unordered_map<std::string, Entry> entries_;
  uint64_t uses_ = 0;
};

}  // namespace godwit::tls
