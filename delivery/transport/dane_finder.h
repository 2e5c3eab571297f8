// ResolverDaneFinder: asks a resolver for the TLSA records of hosts.
#pragma once

#include "delivery/transport/dane_policy.h"
#include "dns/resolver.h"

namespace godwit::delivery {

class ResolverDaneFinder final : public DaneFinder {
 public:
  // The resolver outlives the finder.
  explicit ResolverDaneFinder(dns::Resolver& resolver) : resolver_(resolver) {}
  Task<DaneAnswer> find(std::string host_name, std::string initial_name, uint16_t port) override;

 private:
  Task<DaneAnswer> ask(std::string base_name, uint16_t port);
  dns::Resolver& resolver_;
};

}  // namespace godwit::delivery
