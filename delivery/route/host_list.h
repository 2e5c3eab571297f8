// HostList: the hosts that a router found for an address, in the order in which they are to be
// tried. Shared by every address that was routed the same way; immutable. Its key names the
// destination queue: addresses with equal keys share connections and limits.
#pragma once

#include "core/base/ip_address.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

struct RouteHost {
  std::string name;          // at the end of CNAMEs: what TLSA and certificates are about
  std::string initial_name;  // before them; empty: the same
  uint16_t port = 0;         // 0: the transport's
  int preference = 0;        // hosts of one preference may be tried in any order
  bool from_mx = false;
  int mx_preference = 0;  // with from_mx: what the DNS says, whatever stands before it in a list
  std::vector<IpAddress> addresses;
  bool secure = false;  // MX and addresses were validated, as DANE needs it
  // Not `secure`, but the alias that `initial_name` is: records of that name count for DANE
  // (RFC 7672 2.2.2).
  bool secure_alias = false;
  // The domain whose MX or SRV records name the host, and what that is an alias of: names that its
  // certificate may have (RFC 7672 3.2.2). Not part of the list's key: SmtpHost::domains.
  std::vector<std::string> domains;
};

struct HostList {
  std::vector<RouteHost> hosts;
  std::string key;               // canonical text of names, ports and preferences
  bool randomize = false;        // shuffle inside a preference
  bool has_self = false;         // this host is among the less preferred MX of the domain
  bool is_of_transport = false;  // from its options: what is local there is not meant
};

using SharedHostList = std::shared_ptr<const HostList>;

// An item of a list of hosts: "name", "name:port", "[v6]:port", "name/MX", "name/MX:port".
RouteHost parse_route_host(std::string_view item, int preference);
// Sets `key` from the hosts and whose they are.
void set_key(HostList& list);

}  // namespace godwit::delivery
