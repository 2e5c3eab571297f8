// HostFinder: from the names that a router gives to addresses, without blocking the loop. Literals
// answer at once; names go to the system's resolver on the thread pool and are kept for a while.
// The DNS resolver will implement the same interface for MX and A look-ups.
#pragma once

#include "core/base/ip_address.h"
#include "core/io/loop.h"
#include "core/io/task.h"

#include <map>
#include <string>
#include <vector>

namespace godwit::delivery {

class HostFinder {
 public:
  virtual ~HostFinder() = default;
  // Addresses of `name`, which may be a literal; not_found where it has none, a temporary error
  // where nobody could be asked. At most kAddressesMax.
  virtual Task<Result<std::vector<IpAddress>>> find(std::string name) = 0;
  // True for an address of this machine: `self` and `allow_localhost` are about these.
  virtual bool is_local(const IpAddress& address) const = 0;

  static constexpr size_t kAddressesMax = 64;
};

class SystemHostFinder final : public HostFinder {
 public:
  SystemHostFinder(Loop& loop, bool ipv6);
  Task<Result<std::vector<IpAddress>>> find(std::string name) override;
  bool is_local(const IpAddress& address) const override;

 private:
  struct Cached {
    std::vector<IpAddress> addresses;
    Instant until;
  };
  static constexpr Seconds kKeep{60};
  static constexpr size_t kCachedMax = 10'000;

  Loop& loop_;
  bool ipv6_;
  std::map<std::string, Cached, std::less<>> cache_;
  std::vector<IpAddress> own_addresses_;
};

// The addresses of this machine's interfaces, as they are now.
std::vector<IpAddress> interface_addresses();

}  // namespace godwit::delivery
