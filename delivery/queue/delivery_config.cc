#include "delivery/queue/delivery_config.h"

namespace godwit::delivery {

std::shared_ptr<const DeliveryConfig> compile_delivery(
    const config::ConfigDocument& document, std::shared_ptr<const acl::CompiledPolicy> policy,
    config::Diagnostics& diagnostics) {
  auto out = std::make_shared<DeliveryConfig>();
  out->policy = std::move(policy);
  const acl::NamedLists& lists = *out->policy->lists();
  out->transports = TransportSet::compile(document, lists, diagnostics);
  out->rewrite = rewrite::RewriteRules::compile(document, lists, diagnostics);
  const RouterCompileContext context{lists, *out->transports, diagnostics, out->rewrite};
  out->routers = RouterChain::compile(document, context);
  out->retry = retry::RetryRules::compile(document, lists, diagnostics);
  return out;
}

}  // namespace godwit::delivery
