// Names: the resolver of a process and what is built on it, from the configuration, resolv.conf and
// the hosts file. One a process, constructed with its loop; close() before the loop ends.
#pragma once

#include "acl/expand/regex.h"
#include "acl/expand/services.h"
#include "daemon/server_config.h"
#include "daemon/shown_resolver.h"
#include "daemon/telling_resolver.h"
#include "delivery/route/host_finder.h"
#include "delivery/transport/dane_finder.h"
#include "dns/stub_resolver.h"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace godwit::daemon {

// dns_check_names_pattern, dns_again_means_nonexist and dns_trust_aa.
class ConfiguredNames final : public dns::NamePolicy {
 public:
  explicit ConfiguredNames(const ServerConfig& config);
  bool is_askable(std::string_view name, dns::RrType type) const override;
  bool failure_means_nonexistent(std::string_view name) const override;
  bool trusts_authority(std::string_view name) const override;

 private:
  bool is_in(const acl::ListPattern& list, std::string_view name) const;

  const ServerConfig& config_;
  bool checks_names_ = true;
  std::optional<acl::Regex> pattern_;  // unset: the default, which needs no regex
};

class Names {
 public:
  Names(Loop& loop, const ServerConfig& config);

  // For lookups, whose failures nobody is told of.
  dns::Resolver& resolver() noexcept { return shown_; }
  // The selector `resolver` of -d.
  void show(acl::Trace* trace) noexcept { shown_.show(trace); }
  // slow_lookup_log.
  void log_slow(Millis limit, Loop& loop, Log& log) noexcept { shown_.log_slow(limit, loop, log); }
  TellingResolver& telling() noexcept { return telling_; }
  delivery::HostFinder& hosts() noexcept { return hosts_; }
  delivery::DaneFinder& dane() noexcept { return dane_; }
  // Gives the resolver to evaluators.
  void provide(acl::Services& services) noexcept { services.resolver = &telling_; }
  Task<void> close() { return resolver_.close(); }

 private:
  ConfiguredNames names_;
  dns::StubResolver resolver_;
  ShownResolver shown_{resolver_};
  TellingResolver telling_{shown_};
  delivery::HostFinder hosts_;
  delivery::ResolverDaneFinder dane_{telling_};
};

// Words of dns_servers: addresses with or without port ("192.0.2.53", "127.0.0.1:5301",
// "[2001:db8::53]:53"), parted by blanks, commas, semicolons or single colons. An item that is none
// is reported.
std::vector<Endpoint> parse_dns_servers(std::string_view text, config::Diagnostics& diagnostics);
// Items of dns_trust_ad_from: networks, "loopback", or "*" for every upstream.
bool is_trusted_upstream(std::string_view list, const IpAddress& address);
// Reports what is wrong with dns_servers, dns_trust_ad_from and dns_check_names_pattern.
void check_dns_options(const config::MainOptions& options, config::Diagnostics& diagnostics);

}  // namespace godwit::daemon
