#include "delivery/route/listed_hosts.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/route/driver_common.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr size_t kHostsPerRuleMax = 1000;

// clang-format off
struct ActionRow {
  std::string_view name;
  DriverStatus status;
};
constexpr std::array kActions{
    ActionRow{"decline", DriverStatus::decline},
    ActionRow{"defer",   DriverStatus::defer},
    ActionRow{"fail",    DriverStatus::fail},
    ActionRow{"freeze",  DriverStatus::freeze},
    ActionRow{"pass",    DriverStatus::pass},
};
// clang-format on

void split_hosts(std::string_view text, HostList& list) {
  int preference = 1;
  for (const std::string& item : config::split_list(text)) {
    if (item == "+") {
      ++preference;  // randomised lists are shuffled between these marks
      continue;
    }
    if (item.empty() || list.hosts.size() >= kHostsPerRuleMax) continue;
    list.hosts.push_back(parse_route_host(item, preference));
    if (!list.randomize) ++preference;
  }
}

DriverStatus action_of(std::string_view name) {
  for (const ActionRow& row : kActions) {
    if (row.name == name) return row.status;
  }
  return DriverStatus::defer;
}

FindOptions mx_only(FindOptions wanted) {
  wanted.addresses = false;
  return wanted;
}

DriverResult not_now(const Router& router, const RouteHost& item, const FoundHosts& found,
                     DriverResult result) {
  const bool is_insecure = found.status == FindStatus::insecure;
  result.status =
      router.options().pass_on_timeout && !is_insecure ? DriverStatus::pass : DriverStatus::defer;
  result.message = "host lookup for " + item.name +
                   (is_insecure ? " done insecurely" : " did not complete (DNS timeout?)");
  return result;
}

// One name of the list. A `message` tells a host that does not exist from an ignored one.
FoundHosts find_one(const RouteHost& item, FindMethod method, const FindOptions& wanted,
                    RouteContext& context) {
  FoundHosts out;
  FindOptions unfiltered = wanted;
  unfiltered.ignored = nullptr;
  FoundAddresses found =
      context.hosts.find_addresses(item.name, method, unfiltered, context.evaluation);
  out.status = found.status;
  if (found.status == FindStatus::none) out.message = "no such host";
  if (found.status != FindStatus::found) return out;
  RouteHost host = item;
  host.initial_name = std::exchange(host.name, std::move(found.name));
  host.secure = found.secure;
  for (const IpAddress& address : found.addresses) {
    const bool is_ignored =
        wanted.ignored != nullptr &&
        wanted.ignored->match({{}, address, item.name}, context.evaluation).match ==
            acl::Match::yes;
    if (!is_ignored) host.addresses.push_back(address);
  }
  if (host.addresses.empty()) {
    out.status = FindStatus::none;
    return out;
  }
  if (context.hosts.is_local(host, context.evaluation)) out.status = FindStatus::found_local;
  out.hosts.push_back(std::move(host));
  return out;
}

// Exchangers keep their order among themselves and come where their item was.
void append(std::vector<RouteHost>& out, const RouteHost& item, std::vector<RouteHost> found) {
  const int last = out.empty() ? 0 : out.back().preference;
  int preference = std::max(item.preference, last);
  for (size_t i = 0; i < found.size(); ++i) {
    const bool is_next = item.from_mx && i > 0 && found[i].preference != found[i - 1].preference;
    if (is_next || (i == 0 && item.from_mx && !out.empty())) ++preference;
    out.push_back(found[i]);
    out.back().preference = preference;
    if (item.port != 0) out.back().port = item.port;
  }
}

// Finds the addresses of every host, and puts the exchangers of a name in its place where the
// item was name/MX.
DriverResult find_all(std::shared_ptr<HostList> list, const ListedHosts& listed,
                      const Router& router, const FindOptions& wanted, RouteContext& context,
                      DriverResult result) {
  std::vector<RouteHost> found_hosts;
  bool may_be_local = false;  // self = send let one in, then the others may follow
  for (RouteHost& item : list->hosts) {
    FoundHosts found =
        item.from_mx ? context.hosts.find_hosts(item.name, mx_only(wanted), context.evaluation)
                     : find_one(item, listed.method, wanted, context);
    if (found.status == FindStatus::again || found.status == FindStatus::insecure)
      return not_now(router, item, found, std::move(result));
    // Ignored hosts are as if they were not in the list; only what does not exist is a failure.
    const bool is_missing =
        found.status == FindStatus::none && (item.from_mx || !found.message.empty());
    if (is_missing && listed.if_missing != "ignore") {
      result.status = action_of(listed.if_missing);
      result.message =
          "lookup of host \"" + item.name + "\" failed in " + router.name() + " router";
      return result;
    }
    if (found.status == FindStatus::found_local && !may_be_local) {
      if (!found_hosts.empty()) break;  // this host and what follows are left out
      const int transport = result.transport;
      result = self_result(router, item.from_mx);
      result.transport = transport;
      if (result.status != DriverStatus::routed) return result;
      may_be_local = true;
    }
    append(found_hosts, item, std::move(found.hosts));
  }
  list->hosts = std::move(found_hosts);
  if (list->hosts.empty()) {
    result.status = action_of(listed.if_all_ignored);
    result.message = "lookup failed for all hosts in " + router.name() +
                     " router: host_find_failed=ignore host_all_ignored=" + listed.if_all_ignored;
    return result;
  }
  set_key(*list);
  result.status = DriverStatus::routed;
  result.message.clear();
  result.hosts = std::move(list);
  return result;
}

}  // namespace

DriverResult find_listed_hosts(const ListedHosts& wanted, const Router& router,
                               RouteContext& context, DriverResult result) {
  auto list = std::make_shared<HostList>();
  list->randomize = wanted.randomize;
  split_hosts(wanted.text, *list);
  FindOptions options = find_options(router, context);
  options.v4_only = wanted.v4_only;
  options.v4_first = wanted.v4_first;
  return find_all(std::move(list), wanted, router, options, context, std::move(result));
}

bool is_host_action(std::string_view name) noexcept {
  return std::any_of(kActions.begin(), kActions.end(),
                     [&](const ActionRow& row) { return row.name == name; });
}

// Cuts the next word off: quoted, or up to white space. Quotes keep blanks in a host list.
config::LocatedText next_word(config::LocatedText& left) {
  left = left.trimmed();
  const std::string_view text = left.view();
  size_t end = 0;
  if (!text.empty() && text.front() == '"') {
    end = 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    end = std::min(end + 1, text.size());
    std::optional<config::QuoteProblem> problem;
    config::LocatedText word = config::unquote(left.substr(0, end), problem);
    left = left.substr(end);
    return word;
  }
  while (end < text.size() && !is_space(text[end])) ++end;
  config::LocatedText word = left.substr(0, end);
  left = left.substr(end);
  return word;
}

}  // namespace godwit::delivery
