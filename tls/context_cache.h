// ServerContexts and ClientContexts: one context for each set of settings, loaded on the thread
// pool, looked at again when a file behind it was replaced. A new file that is broken keeps the old
// context and says so in the log.
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

  Task<Result<std::shared_ptr<const ServerContext>>> server(ServerSettings settings);
  Task<Result<std::shared_ptr<const ClientContext>>> client(ClientSettings settings);
  size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::shared_ptr<const Context> context;
    Instant checked;
    uint64_t used = 0;
  };
  template <class C, class S, class Load>
  Task<Result<std::shared_ptr<const C>>> get(std::string key, S settings, Load load);
  void report(const Context& context);
  void make_room();

  Loop& loop_;
  Log& log_;
  TicketKeys* tickets_;
  std::unordered_map<std::string, Entry> entries_;
  uint64_t uses_ = 0;
};

}  // namespace godwit::tls
