// HostFinder: what routers ask about hosts, over the DNS resolver: addresses of a name, and the
// hosts that serve a domain (SRV, MX, addresses) as Exim looks for them. Plain code that waits on
// the current fiber. One a worker; facts outlive it. RFC 5321 5.1, RFC 2782, RFC 7505, EXIM.md 2.7.
#pragma once

#include "acl/expand/list_pattern.h"
#include "core/base/random.h"
#include "delivery/route/host_list.h"
#include "dns/hosts_file.h"
#include "dns/questions.h"
#include "dns/resolver.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

// What the main options say about hosts. Null lists match nothing.
struct HostPolicy {
  bool ipv6 = true;
  bool mx_to_ip = false;                 // allow_mx_to_ip
  std::vector<IpAddress> own_addresses;  // of this machine: interface_addresses()
  std::vector<std::string> search;       // domains that complete short names
  dns::HostsFile hosts_file;
  const acl::ListPattern* v4_only_domains = nullptr;  // dns_ipv4_lookup
  const acl::ListPattern* treat_as_local = nullptr;   // hosts_treat_as_local
};

enum class FindMethod : uint8_t {
  dns_then_name,  // byname where the DNS knows no such host
  bydns,
  byname,  // the hosts file, then the DNS
};

enum class FindStatus : uint8_t {
  found,
  found_local,  // the first host is this one
  none,         // definitely not
  again,        // could not be asked
  insecure,     // found without the DNSSEC that is required
};

// How one router wants hosts to be looked for. Null lists match nothing.
struct FindOptions {
  bool v4_only = false;
  bool v4_first = false;
  bool dnssec_requested = false;
  bool dnssec_required = false;
  const acl::ListPattern* ignored = nullptr;          // ignore_target_hosts
  const acl::ListPattern* mx_fail_domains = nullptr;  // an MX error means: no MX
  const acl::ListPattern* srv_fail_domains = nullptr;
  std::string srv_service;  // empty: none
  bool addresses = true;    // false: MX or SRV must be there
};

struct FoundAddresses {
  FindStatus status = FindStatus::none;
  std::vector<IpAddress> addresses;
  std::string name;  // at the end of the CNAME chain
  bool secure = false;
  std::string detail;  // of `again`
};

struct FoundHosts {
  FindStatus status = FindStatus::none;
  std::vector<RouteHost> hosts;
  bool removed_local = false;  // this host was among the less preferred ones
  bool from_records = false;   // MX or SRV, not the domain's own address
  std::string message;         // why there are none, where there is more to say
  std::string local_name;      // found_local: which host
};

class HostFinder {
 public:
  HostFinder(dns::Resolver& resolver, HostPolicy policy);

  // Addresses of `name`, which may be a literal. Ignored ones are left out; where all are, none.
  FoundAddresses find_addresses(const std::string& name, FindMethod method,
                                const FindOptions& options, acl::EvalContext& context);
  // The hosts of `domain`, the most preferred first; those of one preference in any order.
  FoundHosts find_hosts(const std::string& domain, const FindOptions& options,
                        acl::EvalContext& context);
  // True for this machine: `self` and `allow_localhost` are about it.
  bool is_local(const IpAddress& address) const;
  bool is_local(const RouteHost& host, acl::EvalContext& context) const;
  // Removes this host and whatever is not preferred to it; found_local where it is the first.
  FindStatus remove_local(std::vector<RouteHost>& hosts, acl::EvalContext& context, bool& removed,
                          std::string& local_name) const;
  const dns::HostsFile& hosts_file() const noexcept { return policy_.hosts_file; }
  // The names under which `name` may be known, as the system's resolver tries them: with
  // `qualify_single` one label gets the system's domain, with `search_parents` any name those of
  // the search list.
  std::vector<std::string> full_names(const std::string& name, bool qualify_single,
                                      bool search_parents) const;

 private:
  FoundAddresses look_up_addresses(const std::string& name, FindMethod method,
                                   const FindOptions& options, acl::EvalContext& context);
  bool find_services(const std::string& domain, const FindOptions& options,
                     acl::EvalContext& context, FoundHosts& out);
  bool find_exchangers(const std::string& domain, const FindOptions& options,
                       acl::EvalContext& context, FoundHosts& out);
  void find_own_address(const std::string& domain, const FindOptions& options,
                        acl::EvalContext& context, FoundHosts& out);
  void resolve_all(const FindOptions& options, acl::EvalContext& context, FoundHosts& out);
  bool is_secure_alias(const std::string& name, const FoundAddresses& found,
                       const FindOptions& options);
  dns::AddressOptions address_options(const std::string& name, const FindOptions& options,
                                      acl::EvalContext& context) const;

  dns::Resolver& resolver_;
  HostPolicy policy_;
  Random random_;
};

// The addresses of this machine's interfaces, as they are now.
std::vector<IpAddress> interface_addresses();

}  // namespace godwit::delivery
