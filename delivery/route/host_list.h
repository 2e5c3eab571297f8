// HostList: the hosts that a router found for an address, in the order in which they are to be
// tried. Shared by every address that was routed the same way; immutable. Its key names the
// destination queue: addresses with equal keys share connections and limits.
#pragma once

#include "core/base/ip_address.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::delivery {

struct RouteHost {
  std::string name;    // at the end of CNAMEs: what TLSA and certificates are about
  uint16_t port = 0;   // 0: the transport's
  int preference = 0;  // hosts of one preference may be tried in any order
  bool from_mx = false;
  std::vector<IpAddress> addresses;
  bool secure = false;  // MX and addresses were validated, as DANE needs it
};

struct HostList {
  std::vector<RouteHost> hosts;
  std::string key;         // canonical text of names, ports and preferences
  bool randomize = false;  // shuffle inside a preference
};

using SharedHostList = std::shared_ptr<const HostList>;

// Sets `key` from the hosts.
void set_key(HostList& list);

}  // namespace godwit::delivery
