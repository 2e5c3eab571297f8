// EvaluatorServices: what evaluators (strings, lists, ACLs) may ask in this process, in one place:
// names, lookups, ACLs, hints. One for each loop: of a worker, or of a command that evaluates. Made
// by the composition root; close() before the loop ends.
#pragma once

#include "acl/expand/services.h"
#include "acl/expand/socket_answers.h"
#include "acl/lists/decisions.h"
#include "acl/lookup/lookup_set.h"
#include "acl/policy/redis_rates.h"
#include "core/hints/database.h"
#include "core/io/loop.h"
#include "core/log/log.h"
#include "daemon/address_verifier.h"
#include "daemon/resolver_setup.h"
#include "daemon/server_config.h"

#include <memory>
#include <string>
#include <string_view>

namespace godwit::daemon {

class EvaluatorServices {
 public:
  // Hints are in memory until open_hints().
  EvaluatorServices(Loop& loop, std::shared_ptr<const ServerConfig> config);
  EvaluatorServices(const EvaluatorServices&) = delete;
  EvaluatorServices& operator=(const EvaluatorServices&) = delete;

  // Opens the databases that workers share, under the spool directory.
  void open_hints(Log& log);
  // Without answers that are kept: whoever works on a message has MessageServices.
  const acl::Services& get() const noexcept { return services_; }
  hints::Database& rates() noexcept { return *rates_; }
  hints::Database& seen() noexcept { return *seen_; }
  Callouts& callouts() noexcept { return verifier_.callouts(); }
  Names& names() noexcept { return names_; }
  acl::LookupSet& lookups() noexcept { return lookups_; }
  // Ends questions under way.
  Task<void> close();

 private:
  std::shared_ptr<const ServerConfig> config_;
  Names names_;
  acl::LookupSet lookups_;
  RoutedAddresses verifier_;
  std::unique_ptr<hints::Database> rates_;
  std::unique_ptr<acl::RedisRates> shared_rates_;  // ratelimit_store = redis
  std::unique_ptr<hints::Database> seen_;
  acl::Services services_;
};

// The same for one connection or message: answers of lookups and sockets are kept until forget().
class MessageServices {
 public:
  explicit MessageServices(const acl::Services& services);
  MessageServices(const MessageServices&) = delete;
  MessageServices& operator=(const MessageServices&) = delete;

  const acl::Services& get() const noexcept { return services_; }
  void forget() {
    answers_.forget();
    decisions_.forget();
    sockets_.forget();
  }

 private:
  acl::MessageLookups answers_;
  acl::ListDecisions decisions_;
  acl::SocketAnswers sockets_;
  acl::Services services_;
};

// Opens the hints database `name` under the spool directory; hints in memory where that fails,
// which is logged.
std::unique_ptr<hints::Database> open_hints(const std::string& spool_directory,
                                            std::string_view name, Log& log);

}  // namespace godwit::daemon
