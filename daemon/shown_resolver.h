// ShownResolver: a resolver whose questions and answers are told to the trace of -d, by the
// selector `resolver`. Nothing is told, and nothing costs, until show().
#pragma once

#include "acl/expand/trace.h"
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

  Task<Result<dns::Answer>> query(std::string name, dns::RrType type, dns::QueryOptions options,
                                  CancelSource* cancel) override;
  void prefetch(const std::string& name, dns::RrType type,
                const dns::QueryOptions& options) override {
    inner_.prefetch(name, type, options);
  }

 private:
  Task<Result<dns::Answer>> query_and_show(std::string name, dns::RrType type,
                                           dns::QueryOptions options, CancelSource* cancel);

  dns::Resolver& inner_;
  acl::Trace* trace_ = nullptr;
};

}  // namespace godwit::daemon
