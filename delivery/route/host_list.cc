#include "delivery/route/host_list.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <optional>

namespace godwit::delivery {

// A printing separator was doubled in the list, so one colon is left where the list was split.
RouteHost parse_route_host(std::string_view item, int preference) {
  RouteHost host;
  host.preference = preference;
  const bool bracketed = item.starts_with('[');
  const size_t close = bracketed ? item.find(']') : std::string_view::npos;
  const size_t colon =
      bracketed && close != std::string_view::npos ? item.find(':', close) : item.rfind(':');
  const bool is_plain_v6 = !bracketed && std::count(item.begin(), item.end(), ':') > 1;
  if (colon != std::string_view::npos && !is_plain_v6) {
    const std::optional<uint64_t> port = parse_decimal(item.substr(colon + 1));
    if (port && *port > 0 && *port < 65536) {
      host.port = static_cast<uint16_t>(*port);
      item = item.substr(0, colon);
    }
  }
  if (ends_with_ignore_case(item, "/mx")) {
    host.from_mx = true;
    item.remove_suffix(3);
  }
  if (bracketed && item.size() > 2 && item.ends_with(']')) item = item.substr(1, item.size() - 2);
  host.name = item;
  return host;
}

// Connections are shared by key. What decides about DANE is in it: a session that nobody vouches
// for must not carry mail for a domain whose records ask for more.
void set_key(HostList& list) {
  list.key = list.is_of_transport ? "own " : "";
  for (const RouteHost& host : list.hosts) {
    list.key += host.name;
    if (!host.initial_name.empty() && host.initial_name != host.name)
      list.key += "<" + host.initial_name;
    if (host.secure) list.key += '!';
    if (host.secure_alias) list.key += '?';
    list.key += ':';
    list.key += std::to_string(host.port);
    list.key += '/';
    list.key += std::to_string(host.preference);
    list.key += ' ';
  }
  if (list.randomize) list.key += '~';
}

}  // namespace godwit::delivery
