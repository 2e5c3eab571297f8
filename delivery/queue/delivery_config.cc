#include "delivery/queue/delivery_config.h"

#include "core/config/values.h"
#include "delivery/route/local_user.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

std::vector<uint32_t> uids_of(const config::ConfigDocument& document,
                              const config::PlainList& names, config::Diagnostics& diagnostics) {
  std::vector<uint32_t> out;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    const Result<std::optional<LocalUser>> user = ask_local_user(name, true);
    if (user && *user) {
      out.push_back((*user)->uid);
      continue;
    }
    diagnostics.error(document.place_of("never_users"),
                      "never_users: user " + name + " was not found");
  }
  return out;
}

}  // namespace

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
  // Options of that name count too: a body that nobody reads costs little.
  out->reads_body = std::any_of(document.lines.begin(), document.lines.end(), [](const auto& line) {
    return line.view().find("message_body") != std::string_view::npos;
  });
  const config::MainOptions& options = out->options();
  out->never_users = uids_of(document, options.never_users, diagnostics);
  out->errors_copy = compile_errors_copy(options.errors_copy.text, lists, diagnostics);
  for (const config::LocatedText& item : config::split_list(options.remote_sort_domains.text)) {
    if (auto domains = lists.compile(config::ListKind::domain, item, {}, diagnostics))
      out->remote_order.push_back(std::move(domains));
  }
  return out;
}

}  // namespace godwit::delivery
