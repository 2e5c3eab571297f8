// The socks_proxy option of the smtp transport: a list of SOCKS proxies, and the order in which
// they are tried: by priority, and by chance weighted within one.
#pragma once

#include "core/base/ip_address.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/time.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

struct SocksProxy {
  Endpoint at{{}, 1080};
  bool with_name = false;  // auth=name
  std::string name;
  std::string password;
  Seconds timeout{5};
  uint32_t priority = 1;  // higher ones first
  uint32_t weight = 1;
};

// "address name=value ... : ...". The error says which item is wrong, without its password.
Result<std::vector<SocksProxy>> parse_socks_proxies(std::string_view list);
// As they are to be tried now.
void order_socks_proxies(std::vector<SocksProxy>& proxies, Random& random);

}  // namespace godwit::delivery
