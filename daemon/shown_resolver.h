// ShownResolver: a resolver whose questions and answers are told to the trace of -d, by the
// selector `resolver`, and to the main log where they took long (slow_lookup_log). Nothing is told,
// and nothing costs, until show() or log_slow().
#pragma once

#include "acl/expand/trace.h"
#include "core/io/loop.h"
#include "core/log/log.h"
#include "dns/resolver.h"

#include <string>

namespace godwit::daemon {

class ShownResolver final : public dns::Resolver {
 public:
  // `inner` outlives it.
  explicit ShownResolver(dns::Resolver& inner) : inner_(inner) {}
  ShownResolver(const ShownResolver&) = delete;
  ShownResolver& operator=(const ShownResolver&) = delete;

  // From now on; `trace` outlives it, null: nobody looks.
  void show(acl::Trace* trace) noexcept { trace_ = trace; }
  // From now on, what takes longer than `limit`; zero: nothing.
  void log_slow(Millis limit, Loop& loop, Log& log) noexcept {
    if (limit.count > 0) slow_ = Slow{limit, &loop, &log};
  }

  Task<Result<dns::Answer>> query(std::string name, dns::RrType type, dns::QueryOptions options,
                                  CancelSource* cancel) override;
  void prefetch(const std::string& name, dns::RrType type,
                const dns::QueryOptions& options) override {
    inner_.prefetch(name, type, options);
  }

 private:
  Task<Result<dns::Answer>> query_and_show(std::string name, dns::RrType type,
                                           dns::QueryOptions options, CancelSource* cancel);

  void tell_slow(const std::string& name, dns::RrType type, Instant began) const;

  struct Slow {
    Millis limit;
    Loop* loop = nullptr;  // null: nothing is logged
    Log* log = nullptr;
  };
  dns::Resolver& inner_;
  acl::Trace* trace_ = nullptr;
  Slow slow_;
};

}  // namespace godwit::daemon
