// Questions: what mail wants to know of the DNS, above Resolver. Each gathers facts and judges
// nothing; an Error is always "could not ask". Tasks for coroutines; plain code on a fiber wraps
// them in wait_for(). Names of lists and of our policy stay with the callers.
#pragma once

#include "core/base/ip_address.h"
#include "dns/resolver.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::dns {

class HostsFile;

// --- Addresses -----------------------------------------------------------------------------------

enum class Family : uint8_t { both, v4_only, v6_only };

struct AddressOptions {
  Family family = Family::both;  // v4_only: disable_ipv6, dns_ipv4_lookup, ipv4_only
  bool v4_first = false;         // ipv4_prefer; otherwise IPv6 comes first
  QueryOptions query;
};

struct HostAddresses {
  AnswerStatus status = AnswerStatus::no_name;
  std::vector<IpAddress> addresses;  // without doubles, at most kAddressesMax
  bool secure = false;               // every answer that gave an address was
  std::string name;                  // at the end of the CNAME chain
  uint32_t ttl_seconds = 0;
};

// A and AAAA of `name`. Where one family was found and the other could not be asked, the found one
// counts, as RFC 5321 5.1 lets us deliver to what we have.
Task<Result<HostAddresses>> host_addresses(Resolver& resolver, std::string name,
                                           AddressOptions options = {},
                                           CancelSource* cancel = nullptr);

// --- Mail exchangers -----------------------------------------------------------------------------

struct MxAnswer {
  AnswerStatus status = AnswerStatus::no_name;
  std::vector<Mx> hosts;  // by preference, doubles removed; those of one preference as they came
  bool null_mx = false;   // RFC 7505: the domain takes no mail; hosts is empty
  bool secure = false;
  std::string name;
};
Task<Result<MxAnswer>> mail_exchangers(Resolver& resolver, std::string domain,
                                       QueryOptions options = {}, CancelSource* cancel = nullptr);

// --- Texts ---------------------------------------------------------------------------------------

struct TextAnswer {
  AnswerStatus status = AnswerStatus::no_name;
  std::vector<std::string> texts;  // one a record, its strings joined
  bool secure = false;
};
Task<Result<TextAnswer>> texts(Resolver& resolver, std::string name, QueryOptions options = {},
                               CancelSource* cancel = nullptr);

// --- Names of addresses --------------------------------------------------------------------------

// "4.3.2.1.in-addr.arpa", or the nibbles under ip6.arpa.
std::string reverse_name(const IpAddress& address);
// "4.3.2.1" or the nibbles, for lists in the DNS.
std::string reversed_labels(const IpAddress& address);

enum class ReverseStatus : uint8_t {
  confirmed,     // `names` holds names that lead back to the address
  no_name,       // no PTR record
  not_confirmed  // names, but none leads back
};

struct ReverseName {
  ReverseStatus status = ReverseStatus::no_name;
  std::vector<std::string> names;      // confirmed ones, the first is the host's name
  std::vector<std::string> unmatched;  // what the address claims and does not confirm
  bool secure = false;                 // PTR and forward answers were
};

// host_lookup_order, as rows of a list: "bydns", "byaddr" (the hosts file, then the DNS as the
// system would).
enum class ReverseMethod : uint8_t { bydns, byaddr };

struct ReverseOptions {
  std::span<const ReverseMethod> order;  // empty: bydns, byaddr
  const HostsFile* hosts_file = nullptr;
  QueryOptions query;
};

// The name of a client, confirmed forward. Where the PTR was found and every forward question
// failed to be asked, that is an Error: the caller defers, or takes the host as nameless.
Task<Result<ReverseName>> reverse_lookup(Resolver& resolver, IpAddress address,
                                         ReverseOptions options = {},
                                         CancelSource* cancel = nullptr);

// --- Lists in the DNS (RFC 5782) -----------------------------------------------------------------

struct ListEntry {
  bool listed = false;               // an A record exists
  std::vector<IpAddress> addresses;  // of the A records
  uint32_t ttl_seconds = 0;
};
// Looks `key` (reversed labels of an address, or a domain) up under `list`.
Task<Result<ListEntry>> list_entry(Resolver& resolver, std::string key, std::string list,
                                   QueryOptions options = {}, CancelSource* cancel = nullptr);
// The reason of a listing: the first TXT record of the same name; empty where there is none.
Task<Result<std::string>> list_reason(Resolver& resolver, std::string key, std::string list,
                                      QueryOptions options = {}, CancelSource* cancel = nullptr);

inline constexpr size_t kAddressesMax = 64;    // of one host
inline constexpr size_t kPtrNamesMax = 16;     // of one address; more are ignored
inline constexpr size_t kExchangersMax = 100;  // of one domain; more are ignored

}  // namespace godwit::dns
