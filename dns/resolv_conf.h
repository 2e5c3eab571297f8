// What resolv.conf(5) says: where to ask, which domains complete short names, how patient to be.
#pragma once

#include "core/base/ip_address.h"
#include "core/base/time.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::dns {

struct ResolvConf {
  std::vector<Endpoint> servers;    // empty in the file: the loopback address, as the system has it
  std::vector<std::string> search;  // lower case; "domain" is a list of one
  std::optional<Seconds> timeout;
  std::optional<int> attempts;
  bool edns = false;      // options edns0
  bool trust_ad = false;  // options trust-ad: the administrator trusts the way to these servers
};

ResolvConf parse_resolv_conf(std::string_view text);
// As parse_resolv_conf; of an empty file where there is none.
ResolvConf load_resolv_conf(const std::string& path);

}  // namespace godwit::dns
