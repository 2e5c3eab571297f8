// Client SMTP Authorization: SRV records at _client._smtp.<domain> say which hosts may greet with
// the name of the domain (draft-ietf-marid-csv-csa, with Exim's extension to names of addresses).
// Gathers the records that count and judges nothing. An Error is always "could not ask".
// Used by `verify = csa` and by dnsdb.
#pragma once

#include "dns/resolver.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace godwit::dns {

inline constexpr uint16_t kAuthorizationVersion = 1;  // the priority of such records
// A bit of the port: names below the domain need a record of their own.
inline constexpr uint16_t kAuthorizationExplicit = 1;
// The weight: what the record says of the domain's own hosts.
inline constexpr uint16_t kAuthorizationGiven = 2;    // they are the addresses of the target
inline constexpr uint16_t kAuthorizationUnknown = 3;  // nobody can tell them by their addresses

struct Authorization {
  bool is_parent = false;  // the records are of a domain above, and hold for names below it
  Answer answer;           // no records: nobody says anything
};

// `name` is a domain, or an address that is looked up by its reverse name. Where the domain has no
// records, at most `parents_max` domains above it are asked, from the highest but one downwards,
// for one that wants names below it to have records of their own.
Task<Result<Authorization>> client_authorization(Resolver& resolver, std::string name,
                                                 size_t parents_max, QueryOptions options = {});

// The domains above `name` that are asked, in their order; for tests too.
std::vector<std::string_view> authorizing_parents(std::string_view name, size_t parents_max);

}  // namespace godwit::dns
