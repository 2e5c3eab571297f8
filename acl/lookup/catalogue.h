// The catalogue: one row a lookup type. To add a type, write its find function in a file of its
// own, declare it in finders.h and add a row in catalogue.cc.
#pragma once

#include "acl/lookup/lookup.h"
#include "core/base/ip_address.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace godwit::acl {

struct LookupCall;   // finders.h
struct LookupParts;  // parts.h

enum class LookupClass : uint8_t {
  single_key,  // a key and a file, directory or other text
  abs_file,    // the same; the file begins with a slash
  query,       // a query alone
};

using FindFunction = Result<std::optional<LookupAnswer>> (*)(LookupParts& parts,
                                                             const LookupCall& call);
using QuoteFunction = void (*)(std::string_view text, std::string& out);

struct LookupType {
  std::string_view name;
  LookupClass type_class;
  FindFunction find;         // null: not built
  QuoteFunction quote;       // null: text stays as it is
  std::string_view options;  // names it takes beside cache= and ret=key, separated by commas
  // Two messages may share one answer that is on its way: asking changes nothing.
  bool shareable;
  std::string_view documentation;
};

// Sorted by name.
std::span<const LookupType> lookup_types() noexcept;

// "Lookups (built-in): lsearch wildlsearch ...", as -bV prints it, without a line end.
std::string lookup_types_line();

// A host list's "net24-iplsearch": the lookup type without its prefix, and how many bits of an
// address make the key. Nothing where `text` does not begin so.
struct NetPrefix {
  std::string_view type;
  int mask_bits = -1;  // -1: "net-", the whole address
};
std::optional<NetPrefix> parse_net_prefix(std::string_view text);
// The key of such a lookup: "192.168.34.0/24"; IPv6 with dots, as keys of lsearch files need it,
// except for iplsearch and for masked keys of it.
std::string net_lookup_key(const IpAddress& address, const NetPrefix& prefix);

}  // namespace godwit::acl
