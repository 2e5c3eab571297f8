// The ipliteral router: user@[192.0.2.1], user@[ipv6:2001:db8::1]. No options of its own.
#include "core/base/ascii.h"
#include "delivery/route/driver_common.h"
#include "delivery/route/driver_table.h"

#include <algorithm>

namespace godwit::delivery {
namespace {

class IpLiteralRouter final : public RouterDriver {
 public:
  DriverResult route(const Router& router, RouteContext& context) const override {
    DriverResult result;
    const std::optional<IpAddress> address = literal_of(context.address.domain);
    if (!address) return result;  // declines
    const std::string name = address->to_string();
    FoundAddresses found = context.hosts.find_addresses(
        name, FindMethod::bydns, find_options(router, context), context.evaluation);
    if (found.status != FindStatus::found) {
      result.message = "IP literal host explicitly ignored";
      return result;
    }
    auto list = std::make_shared<HostList>();
    RouteHost& host = list->hosts.emplace_back();
    host.name = context.address.domain;
    host.addresses = std::move(found.addresses);
    if (context.hosts.is_local(host, context.evaluation)) {
      result = self_result(router, false);
      if (result.status != DriverStatus::routed) return result;
    }
    set_key(*list);
    result.status = DriverStatus::routed;
    result.hosts = std::move(list);
    return result;
  }

 private:
  static std::optional<IpAddress> literal_of(std::string_view domain) {
    if (!domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
    domain = domain.substr(1, domain.size() - 2);
    for (std::string_view prefix : {"ipv6:", "ipv4:"}) {
      if (starts_with_ignore_case(domain, prefix)) domain.remove_prefix(prefix.size());
    }
    const Result<IpAddress> address = IpAddress::parse(domain);
    if (!address) return std::nullopt;
    return *address;
  }
};

}  // namespace

std::unique_ptr<RouterDriver> make_ipliteral_router(const config::Instance& instance,
                                                    config::OptionBinding& generic,
                                                    const RouterCompileContext& context) {
  config::apply_settings(instance.settings, {&generic}, context.diagnostics, "ipliteral router");
  return std::make_unique<IpLiteralRouter>();
}

}  // namespace godwit::delivery
