// WatchedResolver: a resolver whose questions are seen by the trace of -d (selector `resolver`) and
// by slow_lookup_log. Nothing is seen, and nothing costs, until one of them is set.
#pragma once

#include "acl/expand/trace.h"
#include "core/base/time.h"
#include "core/io/clock.h"
#include "core/log/log.h"
#include "dns/resolver.h"

#include <string>

namespace godwit::daemon {

class WatchedResolver final : public dns::Resolver {
 public:
  // `inner` and `clock` outlive it.
  WatchedResolver(dns::Resolver& inner, const Clock& clock) : inner_(inner), clock_(clock) {}
  WatchedResolver(const WatchedResolver&) = delete;
  WatchedResolver& operator=(const WatchedResolver&) = delete;

  // From now on; `trace` outlives it, null: nobody looks.
  void show(acl::Trace* trace) noexcept { trace_ = trace; }
  // Logs questions that take longer than `limit`, from now on; `log` outlives it. 0: none.
  void log_slow(Millis limit, Log& log) noexcept {
    slow_ = limit;
    log_ = limit.count > 0 ? &log : nullptr;
  }

  Task<Result<dns::Answer>> query(std::string name, dns::RrType type, dns::QueryOptions options,
                                  CancelSource* cancel) override;
  void prefetch(const std::string& name, dns::RrType type,
                const dns::QueryOptions& options) override {
    inner_.prefetch(name, type, options);
  }

 private:
  Task<Result<dns::Answer>> query_and_tell(std::string name, dns::RrType type,
                                           dns::QueryOptions options, CancelSource* cancel);

  dns::Resolver& inner_;
  const Clock& clock_;
  acl::Trace* trace_ = nullptr;
  Log* log_ = nullptr;
  Millis slow_;
};

}  // namespace godwit::daemon
