#include "delivery/route/host_finder.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

namespace godwit::delivery {
namespace {

Result<std::vector<IpAddress>> ask_system(const std::string& name, bool ipv6) {
  addrinfo hints{};
  hints.ai_family = ipv6 ? AF_UNSPEC : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (status == EAI_NONAME || status == EAI_NODATA) {
    return Error(Errc::not_found, "no IP address for " + name);
  }
  if (status != 0)
    return Error(Errc::unknown_io, "look-up of " + name + ": " + gai_strerror(status));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* at = found; at != nullptr && addresses.size() < HostFinder::kAddressesMax;
       at = at->ai_next) {
    const std::optional<Endpoint> endpoint = from_sockaddr(at->ai_addr);
    if (!endpoint) continue;
    const bool known =
        std::find(addresses.begin(), addresses.end(), endpoint->address) != addresses.end();
    if (!known) addresses.push_back(endpoint->address);
  }
  if (addresses.empty()) return Error(Errc::not_found, "no IP address for " + name);
  return addresses;
}

}  // namespace

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> out;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return out;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owned(first, &freeifaddrs);
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    const std::optional<Endpoint> endpoint = from_sockaddr(at->ifa_addr);
    if (endpoint) out.push_back(endpoint->address);
  }
  return out;
}

SystemHostFinder::SystemHostFinder(Loop& loop, bool ipv6)
    : loop_(loop), ipv6_(ipv6), own_addresses_(interface_addresses()) {}

bool SystemHostFinder::is_local(const IpAddress& address) const {
  if (address.is_loopback() || address.is_unspecified()) return true;
  return std::find(own_addresses_.begin(), own_addresses_.end(), address) != own_addresses_.end();
}

Task<Result<std::vector<IpAddress>>> SystemHostFinder::find(std::string name) {
  const Result<IpAddress> literal = IpAddress::parse(name);
  if (literal) co_return std::vector<IpAddress>(1, *literal);
  const auto cached = cache_.find(name);
  if (cached != cache_.end() && cached->second.until > loop_.clock().now())
    co_return cached->second.addresses;
  auto job = blocking(loop_, [name, ipv6 = ipv6_] { return ask_system(name, ipv6); });
  Result<std::vector<IpAddress>> answer = co_await job;
  if (answer) {
    if (cache_.size() >= kCachedMax) cache_.clear();
    cache_.insert_or_assign(name, Cached{*answer, loop_.clock().now() + kKeep});
  }
  co_return answer;
}

}  // namespace godwit::delivery
