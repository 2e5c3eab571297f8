#include "daemon/resolver_setup.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "dns/resolv_conf.h"

#include <algorithm>

namespace godwit::daemon {
namespace {

constexpr const char* kResolvConf = "/etc/resolv.conf";
constexpr const char* kHostsFile = "/etc/hosts";
constexpr uint16_t kDnsPort = 53;
constexpr int kDefaultAttempts = 2;  // where only dns_retrans is set, as the system has it
constexpr std::string_view kDefaultPattern =
    "(?i)^(?>(?(1)\\.|())[^\\W](?>[a-z0-9/_-]*[^\\W])?)+(\\.?)$";

constexpr bool is_word(char c) noexcept {
  return is_alnum(c) || c == '_';
}

// What the default of dns_check_names_pattern matches: labels of letters, digits, hyphens, slashes
// and underscores that begin and end with none of the two signs in the middle.
bool is_ordinary_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  for (;;) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || !is_word(label.front()) || !is_word(label.back())) return false;
    const bool is_good = std::all_of(label.begin(), label.end(),
                                     [](char c) { return is_word(c) || c == '-' || c == '/'; });
    if (!is_good) return false;
    if (label.size() == name.size()) return true;
    name.remove_prefix(label.size() + 1);
  }
}

// SRV and TLSA names begin with two labels that are no host's.
std::string_view without_service(std::string_view name, dns::RrType type) {
  if (type != dns::RrType::SRV && type != dns::RrType::TLSA) return name;
  for (int i = 0; i < 2 && name.starts_with('_'); ++i) {
    const size_t dot = name.find('.');
    if (dot == std::string_view::npos) return name;
    name.remove_prefix(dot + 1);
  }
  return name;
}

std::optional<Endpoint> parse_server(std::string_view item) {
  Result<IpAddress> address = IpAddress::parse(item);
  if (address) return Endpoint{*address, kDnsPort};
  const size_t colon = item.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> port = parse_decimal(item.substr(colon + 1));
  std::string_view host = item.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  address = IpAddress::parse(host);
  if (!address || !port || *port == 0 || *port > 65535) return std::nullopt;
  return Endpoint{*address, static_cast<uint16_t>(*port)};
}

std::vector<dns::UpstreamAddress> upstreams(const config::MainOptions& options,
                                            const dns::ResolvConf& system) {
  config::Diagnostics ignored;  // load_config has reported
  std::vector<Endpoint> servers = parse_dns_servers(options.dns_servers, ignored);
  if (servers.empty()) servers = system.servers;
  std::vector<dns::UpstreamAddress> out;
  for (const Endpoint& server : servers) {
    if (server.address.is_v6() && options.disable_ipv6) continue;
    out.push_back({server, is_trusted_upstream(options.dns_trust_ad_from, server.address)});
  }
  return out;
}

// dns_retrans doubles with each attempt; without it the resolver's own ladder holds, of which
// dns_retry takes a part.
std::vector<Millis> ladder(const config::MainOptions& options, std::vector<Millis> standard) {
  const int64_t attempts = std::clamp<int64_t>(
      options.dns_retry > 0 ? options.dns_retry : kDefaultAttempts, 1, dns::kRoundsMax);
  if (options.dns_retrans.count > 0) {
    std::vector<Millis> out;
    for (int64_t i = 0; i < attempts; ++i)
      out.push_back(Millis{options.dns_retrans.count * 1000 << std::min<int64_t>(i, 6)});
    return out;
  }
  if (options.dns_retry > 0) {
    while (static_cast<int64_t>(standard.size()) < attempts) standard.push_back(standard.back());
    standard.resize(static_cast<size_t>(attempts));
  }
  return standard;
}

dns::StubOptions stub_options(const ServerConfig& config, const dns::ResolvConf& system,
                              const dns::NamePolicy& names) {
  const config::MainOptions& options = config.options();
  dns::StubOptions out;
  out.upstreams = upstreams(options, system);
  out.ladder = ladder(options, std::move(out.ladder));
  out.edns = options.dns_use_edns0 != 0;
  out.dnssec_ok = options.dns_dnssec_ok > 0;
  out.never_secure = options.dns_dnssec_ok == 0;
  out.alias_questions_max = static_cast<int>(std::clamp<int64_t>(options.dns_cname_loops, 0, 50));
  out.names = &names;
  return out;
}

delivery::HostPolicy host_policy(const ServerConfig& config, dns::ResolvConf system) {
  delivery::HostPolicy out;
  out.ipv6 = !config.options().disable_ipv6;
  out.mx_to_ip = config.options().allow_mx_to_ip;
  out.own_addresses = config.facts.local_addresses;
  out.search = std::move(system.search);
  out.hosts_file = dns::HostsFile::load(kHostsFile);
  out.v4_only_domains = &config.policy->list("dns_ipv4_lookup");
  out.treat_as_local = &config.policy->list("hosts_treat_as_local");
  return out;
}

}  // namespace

ConfiguredNames::ConfiguredNames(const ServerConfig& config) : config_(config) {
  const std::string& pattern = config.options().dns_check_names_pattern;
  checks_names_ = !pattern.empty();
  if (pattern.empty() || pattern == kDefaultPattern) return;
  Result<acl::Regex> compiled = acl::Regex::compile(pattern, false);
  if (compiled) pattern_ = std::move(*compiled);
}

bool ConfiguredNames::is_askable(std::string_view name, dns::RrType type) const {
  if (!checks_names_ || type == dns::RrType::PTR || type == dns::RrType::TXT) return true;
  name = without_service(name, type);
  if (!pattern_) return is_ordinary_name(name);
  return pattern_->search(name).value_or(false);
}

bool ConfiguredNames::failure_means_nonexistent(std::string_view name) const {
  return is_in(config_.policy->list("dns_again_means_nonexist"), name);
}

bool ConfiguredNames::trusts_authority(std::string_view name) const {
  return is_in(config_.policy->list("dns_trust_aa"), name);
}

bool ConfiguredNames::is_in(const acl::ListPattern& list, std::string_view name) const {
  acl::EvalContext context;
  context.server = &config_.facts;
  return list.match({name, std::nullopt, {}}, context).match == acl::Match::yes;
}

Names::Names(Loop& loop, const ServerConfig& config)
    : names_(config),
      resolver_(loop, stub_options(config, dns::load_resolv_conf(kResolvConf), names_)),
      hosts_(telling_, host_policy(config, dns::load_resolv_conf(kResolvConf))) {}

std::vector<Endpoint> parse_dns_servers(std::string_view text, config::Diagnostics& diagnostics) {
  std::vector<Endpoint> out;
  if (text.starts_with('<')) text.remove_prefix(std::min<size_t>(2, text.size()));
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \t,;\n"), text.size());
    std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.ends_with(':') && !item.ends_with("::")) item.remove_suffix(1);
    if (item.empty()) continue;
    const std::optional<Endpoint> server = parse_server(item);
    if (server) {
      out.push_back(*server);
    } else {
      diagnostics.error({}, "\"" + std::string(item) + "\" in dns_servers is no address",
                        "an IP address with or without port: 127.0.0.1, 127.0.0.1:5301, "
                        "[2001:db8::53]:53");
    }
  }
  return out;
}

bool is_trusted_upstream(std::string_view list, const IpAddress& address) {
  for (const std::string& item : config::split_list(list)) {
    if (item == "*") return true;
    if (item == "loopback" && address.is_loopback()) return true;
    const Result<Cidr> network = Cidr::parse(item);
    if (network && network->contains(address)) return true;
  }
  return false;
}

void check_dns_options(const config::MainOptions& options, config::Diagnostics& diagnostics) {
  parse_dns_servers(options.dns_servers, diagnostics);
  for (const std::string& item : config::split_list(options.dns_trust_ad_from)) {
    if (item.empty() || item == "*" || item == "loopback" || Cidr::parse(item)) continue;
    diagnostics.error({}, "\"" + item + "\" in dns_trust_ad_from is no network",
                      "networks, loopback, or *");
  }
  const Result<acl::Regex> pattern = acl::Regex::compile(options.dns_check_names_pattern, false);
  if (!pattern) diagnostics.error({}, "dns_check_names_pattern: " + pattern.error().detail());
}

}  // namespace godwit::daemon
