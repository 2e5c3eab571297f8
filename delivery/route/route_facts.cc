#include "delivery/route/route_facts.h"

namespace godwit::delivery {

acl::AddressFacts facts_of(const RouteResult& route) {
  acl::AddressFacts address;
  address.local_part = route.local_part;
  address.domain = route.domain;
  address.address_data = route.properties.address_data;
  address.variables = route.properties.variables;
  address.home = route.home;
  if (route.router != nullptr) address.router_name = route.router->name();
  address.local_part_prefix = route.prefix;
  address.local_part_suffix = route.suffix;
  address.self_hostname = route.self_hostname;
  // What a router lists for a local transport is text.
  const bool is_text = route.hosts != nullptr && !route.hosts->hosts.empty() &&
                       route.hosts->hosts.front().addresses.empty();
  if (is_text) address.host = route.hosts->hosts.front().name;
  if (route.user) address.user_id = *route.user;
  if (route.group) address.group_id = *route.group;
  return address;
}

}  // namespace godwit::delivery
