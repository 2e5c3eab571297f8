// The host lists that operators and programs write ("a.test:b.test::26:c.test/MX") and their
// addresses. Used by the manualroute and queryprogram routers.
#pragma once

#include "delivery/route/router.h"

#include <string>
#include <string_view>

namespace godwit::delivery {

struct ListedHosts {
  std::string text;
  bool randomize = false;
  FindMethod method = FindMethod::dns_then_name;
  bool v4_only = false;
  bool v4_first = false;
  std::string if_missing = "freeze";     // host_find_failed
  std::string if_all_ignored = "defer";  // host_all_ignored
};

// Finds the addresses of every host, and puts the exchangers of a name in its place where the item
// was name/MX. `result` with the hosts, or what the router is to answer instead.
DriverResult find_listed_hosts(const ListedHosts& wanted, const Router& router,
                               RouteContext& context, DriverResult result);

// decline, defer, fail, freeze, pass
bool is_host_action(std::string_view name) noexcept;

// Cuts the next word off: quoted, or up to white space.
config::LocatedText next_word(config::LocatedText& left);

}  // namespace godwit::delivery
