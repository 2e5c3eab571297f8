// TellingResolver: a resolver that tells the main event_action of questions that nobody could
// answer (dns:fail, "again:NAME:TYPE"; EXIM.md 1.8). The action itself asks a resolver that does
// not tell, so that a failure is told once.
#pragma once

#include "acl/expand/services.h"
#include "acl/policy/events.h"
#include "core/io/loop.h"
#include "core/log/log.h"
#include "dns/resolver.h"

#include <string>

namespace godwit::daemon {

class TellingResolver final : public dns::Resolver {
 public:
  // `inner` outlives it.
  explicit TellingResolver(dns::Resolver& inner) : inner_(inner) {}
  TellingResolver(const TellingResolver&) = delete;
  TellingResolver& operator=(const TellingResolver&) = delete;

  // From now on; all outlives the resolver. Without actions nothing is told.
  void tell(const acl::EventActions& actions, const acl::Services& services,
            const acl::ServerFacts& server, Loop& loop, Log& log);

  Task<Result<dns::Answer>> query(std::string name, dns::RrType type, dns::QueryOptions options,
                                  CancelSource* cancel) override;
  void prefetch(const std::string& name, dns::RrType type,
                const dns::QueryOptions& options) override {
    inner_.prefetch(name, type, options);
  }

 private:
  Task<Result<dns::Answer>> query_and_tell(std::string name, dns::RrType type,
                                           dns::QueryOptions options, CancelSource* cancel);
  Task<void> raise(std::string data);

  dns::Resolver& inner_;
  acl::Services services_;
  const acl::EventActions* actions_ = nullptr;
  const acl::ServerFacts* server_ = nullptr;
  Loop* loop_ = nullptr;
  Log* log_ = nullptr;
};

}  // namespace godwit::daemon
