// RoutedAddresses: `verify = sender` and `verify = recipient` over the routers of the
// configuration, with callouts to the hosts that they find and questions to the transports about
// quotas. One a loop.
#pragma once

#include "acl/expand/services.h"
#include "daemon/callout.h"
#include "daemon/quota_check.h"
#include "daemon/server_config.h"
#include "delivery/route/host_finder.h"
#include "delivery/route/verify.h"

#include <memory>

namespace godwit::daemon {

class RoutedAddresses final : public acl::AddressVerifier {
 public:
  RoutedAddresses(Loop& loop, std::shared_ptr<const ServerConfig> config,
                  delivery::HostFinder& hosts, delivery::DaneFinder& dane)
      : config_(config), hosts_(hosts), callouts_(loop, config, dane), quotas_(loop, *config_) {}

  Answer verify(const Question& question, acl::EvalContext& context) override;
  Callouts& callouts() noexcept { return callouts_; }

 private:
  Answer call(const Question& question, const delivery::VerifyAnswer& route,
              acl::EvalContext& context);

  std::shared_ptr<const ServerConfig> config_;
  delivery::HostFinder& hosts_;
  Callouts callouts_;
  QuotaCheck quotas_;
};

}  // namespace godwit::daemon
