#include "delivery/route/host_finder.h"

#include "acl/expand/trace.h"
#include "core/base/ascii.h"

#include <ifaddrs.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

namespace godwit::delivery {
namespace {

constexpr std::string_view kNoService = "an MX or SRV record indicated no SMTP service";
constexpr std::string_view kNoneExists = "all relevant MX records point to non-existent hosts";
constexpr std::string_view kNoneExistsOrLiteral =
    "all relevant MX records point to non-existent hosts or (invalidly) to IP addresses";

bool matches(const acl::ListPattern* list, std::string_view domain, acl::EvalContext& context) {
  return list != nullptr &&
         list->match({domain, std::nullopt, {}}, context).match == acl::Match::yes;
}

bool is_ignored(const acl::ListPattern* list, const IpAddress& address, std::string_view name,
                acl::EvalContext& context) {
  return list != nullptr && list->match({{}, address, name}, context).match == acl::Match::yes;
}

// RFC 2782: within a priority, a host comes next with a chance that its weight gives.
void order_by_weight(std::vector<dns::Srv>& services, Random& random) {
  std::stable_sort(services.begin(), services.end(),
                   [](const dns::Srv& a, const dns::Srv& b) { return a.priority < b.priority; });
  for (size_t at = 0; at + 1 < services.size(); ++at) {
    uint64_t total = 0;
    size_t end = at;
    for (; end < services.size() && services[end].priority == services[at].priority; ++end)
      total += services[end].weight + 1u;
    uint64_t left = random.below(total);
    size_t chosen = at;
    while (left > services[chosen].weight) left -= services[chosen++].weight + 1u;
    std::swap(services[at], services[chosen]);
  }
}

void show(acl::Trace& trace, const std::string& name, const FoundAddresses& found) {
  std::string text;
  for (const IpAddress& address : found.addresses)
    text += (text.empty() ? "" : ", ") + address.to_string();
  if (found.status == FindStatus::again) text = "deferred: " + found.detail;
  if (found.status == FindStatus::insecure) text = "without the DNSSEC that is required";
  if (text.empty()) text = "no address";
  trace.event({acl::TraceKind::host, {}, name, text, {}});
}

void show(acl::Trace& trace, const std::string& domain, const Result<dns::MxAnswer>& answer) {
  std::string text;
  if (!answer) {
    text = "deferred: " + answer.error().detail();
  } else {
    for (const dns::Mx& mx : answer->hosts) {
      if (!text.empty()) text += ", ";
      text += std::to_string(mx.preference) + " " + mx.exchange;
    }
    if (text.empty()) text = answer->status == dns::AnswerStatus::no_name ? "no such name" : "none";
  }
  trace.event({acl::TraceKind::dns, {}, domain + " (MX)", text, {}});
}

void show(acl::Trace& trace, const std::string& name, const Result<dns::Answer>& answer) {
  std::string text;
  if (!answer) {
    text = "deferred: " + answer.error().detail();
  } else {
    for (const dns::Record& record : answer->records) {
      const auto* service = record.as<dns::Srv>();
      if (service == nullptr) continue;
      text += (text.empty() ? "" : ", ") + std::to_string(service->priority) + " " +
              std::to_string(service->weight) + " " + std::to_string(service->port) + " " +
              service->target;
    }
    if (text.empty()) text = answer->status == dns::AnswerStatus::no_name ? "no such name" : "none";
  }
  trace.event({acl::TraceKind::dns, {}, name + " (SRV)", text, {}});
}

}  // namespace

HostFinder::HostFinder(dns::Resolver& resolver, HostPolicy policy)
    : resolver_(resolver), policy_(std::move(policy)), random_(Random::from_system()) {}

// --- This machine --------------------------------------------------------------------------------

std::vector<std::string> HostFinder::full_names(const std::string& name, bool qualify_single,
                                                bool search_parents) const {
  std::vector<std::string> out;
  const bool is_single = name.find_first_of(".:") == std::string::npos;
  if (is_single && qualify_single && !policy_.search.empty())
    out.push_back(name + "." + policy_.search.front());
  out.push_back(name);
  if (!search_parents || IpAddress::parse(name)) return out;
  for (const std::string& parent : policy_.search) out.push_back(name + "." + parent);
  return out;
}

bool HostFinder::is_local(const IpAddress& address) const {
  if (address.is_unspecified()) return true;
  const auto& own = policy_.own_addresses;
  return std::find(own.begin(), own.end(), address) != own.end();
}

bool HostFinder::is_local(const RouteHost& host, acl::EvalContext& context) const {
  if (matches(policy_.treat_as_local, to_lower(host.name), context)) return true;
  return std::any_of(host.addresses.begin(), host.addresses.end(),
                     [this](const IpAddress& address) { return is_local(address); });
}

FindStatus HostFinder::remove_local(std::vector<RouteHost>& hosts, acl::EvalContext& context,
                                    bool& removed, std::string& local_name) const {
  for (size_t at = 0; at < hosts.size(); ++at) {
    if (!is_local(hosts[at], context)) continue;
    size_t first = at;
    while (first > 0 && hosts[first - 1].preference == hosts[at].preference) --first;
    local_name = hosts[at].name;
    if (first == 0) return FindStatus::found_local;
    hosts.resize(first);
    removed = true;
    return FindStatus::found;
  }
  return FindStatus::found;
}

// --- Addresses of one host -----------------------------------------------------------------------

dns::AddressOptions HostFinder::address_options(const std::string& name, const FindOptions& options,
                                                acl::EvalContext& context) const {
  dns::AddressOptions out;
  out.query.lane = dns::Lane::delivery;
  out.v4_first = options.v4_first;
  if (!policy_.ipv6 || options.v4_only || matches(policy_.v4_only_domains, name, context))
    out.family = dns::Family::v4_only;
  return out;
}

FoundAddresses HostFinder::find_addresses(const std::string& name, FindMethod method,
                                          const FindOptions& options, acl::EvalContext& context) {
  FoundAddresses found = look_up_addresses(name, method, options, context);
  if (context.trace != nullptr) show(*context.trace, name, found);
  return found;
}

FoundAddresses HostFinder::look_up_addresses(const std::string& name, FindMethod method,
                                             const FindOptions& options,
                                             acl::EvalContext& context) {
  FoundAddresses out;
  out.name = name;
  const Result<IpAddress> literal = IpAddress::parse(name);
  const std::vector<IpAddress>* listed =
      method == FindMethod::byname ? policy_.hosts_file.addresses(name) : nullptr;
  if (literal) {
    out.addresses.push_back(*literal);
  } else if (listed != nullptr) {
    out.addresses = *listed;
    if (!policy_.ipv6) std::erase_if(out.addresses, [](const IpAddress& a) { return a.is_v6(); });
  } else {
    const Result<dns::HostAddresses> found = dns::wait_here(
        dns::host_addresses(resolver_, name, address_options(name, options, context)));
    if (!found) {
      out.status = FindStatus::again;
      out.detail = found.error().detail();
      return out;
    }
    out.addresses = found->addresses;
    out.name = found->name;
    out.secure = found->secure && options.dnssec_requested;
    if (!out.addresses.empty() && options.dnssec_required && !found->secure) {
      out.status = FindStatus::insecure;
      return out;
    }
    if (out.addresses.empty() && method == FindMethod::dns_then_name &&
        policy_.hosts_file.addresses(name) != nullptr)
      return look_up_addresses(name, FindMethod::byname, options, context);
  }
  std::erase_if(out.addresses, [&](const IpAddress& address) {
    return is_ignored(options.ignored, address, name, context);
  });
  out.status = out.addresses.empty() ? FindStatus::none : FindStatus::found;
  return out;
}

// --- Hosts of a domain ---------------------------------------------------------------------------

FoundHosts HostFinder::find_hosts(const std::string& domain, const FindOptions& options,
                                  acl::EvalContext& context) {
  FoundHosts out;
  const bool is_settled =
      (!options.srv_service.empty() && find_services(domain, options, context, out)) ||
      find_exchangers(domain, options, context, out);
  if (!is_settled) find_own_address(domain, options, context, out);
  if (out.status != FindStatus::found) return out;
  out.status = remove_local(out.hosts, context, out.removed_local, out.local_name);
  return out;
}

// True where the answer is final; false where the next kind of record is to be looked for.
bool HostFinder::find_services(const std::string& domain, const FindOptions& options,
                               acl::EvalContext& context, FoundHosts& out) {
  dns::QueryOptions query;
  query.lane = dns::Lane::delivery;
  const std::string name = "_" + options.srv_service + "._tcp." + domain;
  const Result<dns::Answer> answer = dns::ask(resolver_, name, dns::RrType::SRV, query);
  if (context.trace != nullptr) show(*context.trace, name, answer);
  if (!answer) {
    if (matches(options.srv_fail_domains, domain, context)) return false;
    out.status = FindStatus::again;
    out.message = answer.error().detail();
    return true;
  }
  std::vector<dns::Srv> services;
  for (const dns::Record& record : answer->records) {
    const auto* service = record.as<dns::Srv>();
    if (service != nullptr && services.size() < dns::kExchangersMax) services.push_back(*service);
  }
  if (services.empty()) return false;
  out.from_records = true;
  if (options.dnssec_required && !answer->secure) {
    out.status = FindStatus::insecure;
    return true;
  }
  if (services.size() == 1 && services[0].target == ".") {
    out.message = kNoService;
    return true;
  }
  order_by_weight(services, random_);
  for (const dns::Srv& service : services) {
    RouteHost& host = out.hosts.emplace_back();
    host.name = service.target;
    host.port = service.port;
    host.preference = host.mx_preference = service.priority;
    host.from_mx = true;
    host.secure = answer->secure;
    host.domains = {domain};
  }
  resolve_all(options, context, out);
  return true;
}

bool HostFinder::find_exchangers(const std::string& domain, const FindOptions& options,
                                 acl::EvalContext& context, FoundHosts& out) {
  dns::QueryOptions query;
  query.lane = dns::Lane::delivery;
  const Result<dns::MxAnswer> answer =
      dns::wait_here(dns::mail_exchangers(resolver_, domain, query));
  if (context.trace != nullptr) show(*context.trace, domain, answer);
  if (!answer) {
    if (matches(options.mx_fail_domains, domain, context)) return false;
    out.status = FindStatus::again;
    out.message = answer.error().detail();
    return true;
  }
  // A name that does not exist has no address either.
  if (answer->status == dns::AnswerStatus::no_name) return true;
  if (answer->status == dns::AnswerStatus::no_data) return false;
  out.from_records = true;
  if (options.dnssec_required && !answer->secure) {
    out.status = FindStatus::insecure;
    return true;
  }
  if (answer->null_mx) {
    out.message = kNoService;
    return true;
  }
  for (const dns::Mx& mx : answer->hosts) {
    RouteHost& host = out.hosts.emplace_back();
    host.name = mx.exchange;
    host.preference = host.mx_preference = mx.preference;
    host.from_mx = true;
    host.secure = answer->secure;
    host.domains = {domain};
    if (!equals_ignore_case(answer->name, domain)) host.domains.push_back(answer->name);
  }
  // One order for hosts of one preference, so that every address of the domain gets the same list;
  // the delivery shuffles them.
  std::stable_sort(out.hosts.begin(), out.hosts.end(), [](const RouteHost& a, const RouteHost& b) {
    return a.preference != b.preference ? a.preference < b.preference : a.name < b.name;
  });
  resolve_all(options, context, out);
  return true;
}

void HostFinder::find_own_address(const std::string& domain, const FindOptions& options,
                                  acl::EvalContext& context, FoundHosts& out) {
  out.from_records = false;
  if (!options.addresses) return;
  FoundAddresses found = find_addresses(domain, FindMethod::bydns, options, context);
  out.status = found.status;
  out.message = found.detail;
  if (found.status != FindStatus::found) return;
  RouteHost& host = out.hosts.emplace_back();
  host.secure_alias = is_secure_alias(domain, found, options);
  host.name = std::move(found.name);
  host.initial_name = domain;
  host.addresses = std::move(found.addresses);
  host.secure = found.secure;
}

// True where the chain of aliases that `name` begins leaves what is signed, and its first link is
// signed.
bool HostFinder::is_secure_alias(const std::string& name, const FoundAddresses& found,
                                 const FindOptions& options) {
  if (found.secure || !options.dnssec_requested || equals_ignore_case(found.name, name))
    return false;
  dns::QueryOptions query;
  query.lane = dns::Lane::delivery;
  const Result<dns::Answer> answer =
      dns::wait_here(resolver_.query(name, dns::RrType::CNAME, query, nullptr));
  return answer && answer->found() && answer->secure;
}

// Finds the addresses of all hosts; those without leave the list.
void HostFinder::resolve_all(const FindOptions& options, acl::EvalContext& context,
                             FoundHosts& out) {
  for (const RouteHost& host : out.hosts) {
    const dns::AddressOptions wanted = address_options(host.name, options, context);
    resolver_.prefetch(host.name, dns::RrType::A, wanted.query);
    if (wanted.family == dns::Family::both)
      resolver_.prefetch(host.name, dns::RrType::AAAA, wanted.query);
  }
  FindStatus worst = FindStatus::none;
  std::string detail(kNoneExists);
  for (RouteHost& host : out.hosts) {
    const bool is_literal = IpAddress::parse(host.name).has_value();
    if (is_literal && !policy_.mx_to_ip) {
      detail = kNoneExistsOrLiteral;
      continue;
    }
    FoundAddresses found = find_addresses(host.name, FindMethod::bydns, options, context);
    if (found.status == FindStatus::again || found.status == FindStatus::insecure) {
      worst = found.status;
      detail = found.detail;
    }
    if (found.status != FindStatus::found) continue;
    host.secure_alias = host.secure && is_secure_alias(host.name, found, options);
    host.addresses = std::move(found.addresses);
    host.initial_name = std::exchange(host.name, std::move(found.name));
    host.secure = host.secure && found.secure;
  }
  std::erase_if(out.hosts, [](const RouteHost& host) { return host.addresses.empty(); });
  out.status = out.hosts.empty() ? worst : FindStatus::found;
  if (out.hosts.empty()) out.message = std::move(detail);
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> out{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")};
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

}  // namespace godwit::delivery
