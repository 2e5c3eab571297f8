// Listening, names of hosts, DNS.
#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

using enum Effect;
using M = MainOptions;

// name, field, default, effect, documentation, choices
constexpr auto kRows = std::to_array<OptionRow<M>>({
    {"daemon_smtp_ports", &M::daemon_smtp_ports, "smtp", now, "ports to listen on"},
    {"daemon_startup_retries", &M::daemon_startup_retries, "9", now, "tries to bind at start"},
    {"daemon_startup_sleep", &M::daemon_startup_sleep, "30s", now, "time between these tries"},
    {"disable_ipv6", &M::disable_ipv6, "false", now, "ignore IPv6"},
    {"dns_again_means_nonexist", &M::dns_again_means_nonexist, "", now,
     "domains for which a temporary DNS error means: does not exist"},
    {"dns_check_names_pattern", &M::dns_check_names_pattern,
     "(?i)^(?>(?(1)\\.|())[^\\W](?>[a-z0-9/_-]*[^\\W])?)+(\\.?)$", now,
     "names that are asked for at all"},
    {"dns_cname_loops", &M::dns_cname_loops, "1", now, "CNAME records followed"},
    {"dns_csa_search_limit", &M::dns_csa_search_limit, "5", now,
     "labels taken off in a CSA search"},
    {"dns_csa_use_reverse", &M::dns_csa_use_reverse, "true", now,
     "CSA for address literals by reverse lookup"},
    {"dns_dnssec_ok", &M::dns_dnssec_ok, "-1", now, "ask for DNSSEC; -1: as the resolver is set"},
    {"dns_ipv4_lookup", &M::dns_ipv4_lookup, "", now, "domains for which no AAAA record is asked"},
    {"dns_retrans", &M::dns_retrans, "0s", now, "time before a query is repeated; 0s: the default"},
    {"dns_retry", &M::dns_retry, "0", now, "repetitions of a query; 0: the default"},
    {"dns_servers", &M::dns_servers, "", now,
     "name servers to ask, address or address:port; empty: those of resolv.conf"},
    {"dns_trust_aa", &M::dns_trust_aa, "", now,
     "domains whose authoritative answers count as secure"},
    {"dns_trust_ad_from", &M::dns_trust_ad_from, "loopback", now,
     "name servers whose AD bit is believed: networks, loopback, or *"},
    {"dns_use_edns0", &M::dns_use_edns0, "-1", now, "use EDNS0; -1: as the resolver is set"},
    {"extra_local_interfaces", &M::extra_local_interfaces, "", now,
     "more addresses that are this host's"},
    {"hosts_treat_as_local", &M::hosts_treat_as_local, "", now,
     "host names that count as this host"},
    {"local_interfaces", &M::local_interfaces, "<; ::0 ; 0.0.0.0", now, "addresses to listen on"},
    {"percent_hack_domains", &M::percent_hack_domains, "", never,
     "domains in which user%other is rewritten"},
    {"slow_lookup_log", &M::slow_lookup_log, "0", now,
     "milliseconds after which a DNS lookup is logged"},
});

}  // namespace

std::span<const OptionRow<MainOptions>> network_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::config
