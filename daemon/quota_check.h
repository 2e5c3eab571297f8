// verify = recipient/quota: whether the mailboxes that an address leads to take a message of the
// size that MAIL gave. Answers are kept as hints beside those of callouts. Used by RoutedAddresses;
// plain functions that wait on the current fiber.
#pragma once

#include "acl/expand/services.h"
#include "core/hints/database.h"
#include "core/io/loop.h"
#include "daemon/server_config.h"
#include "delivery/route/verify.h"

#include <memory>
#include <optional>
#include <string>

namespace godwit::daemon {

class QuotaCheck {
 public:
  using Answer = acl::AddressVerifier::Answer;

  // `config` outlives the check, and `cache` each call.
  QuotaCheck(Loop& loop, const ServerConfig& config) : loop_(loop), config_(config) {}

  // What was found before, where it is still believed.
  std::optional<Answer> known(const std::string& address, const acl::QuotaOptions& options,
                              const acl::EvalContext& context, hints::Database& cache) const;
  // Asks the local transports that `tree` leads to.
  Answer ask(const std::string& address, const delivery::RoutedTree& tree,
             acl::EvalContext& context, hints::Database& cache) const;

 private:
  bool is_over(const delivery::RoutedAddress& routed, const acl::EvalContext& context) const;

  Loop& loop_;
  const ServerConfig& config_;
};

}  // namespace godwit::daemon
