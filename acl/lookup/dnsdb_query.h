// The text of a dnsdb query, parsed:
//
//   [>sep[,fieldsep|;]] [defer_lax,][dnssec_strict,][retrans_5s,][retry_2,] [type=] name[:name...]
//
// Pure. Separators are single characters; ">" and what follows it come before everything else.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "dns/wire/record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

// What a type asks and how it prints.
enum class DnsdbForm : uint8_t {
  plain,          // the records of the name
  addresses,      // A+: AAAA, then A
  exchangers,     // MXH: MX without preferences
  zone,           // of the name or the nearest parent that has some (SOA, ZNS)
  authorization,  // CSA
};

struct DnsdbType {
  std::string_view name;
  dns::RrType rr_type;
  DnsdbForm form;
};

struct DnsdbQuery {
  enum class Defer : uint8_t { lax, strict, never };
  enum class Dnssec : uint8_t { lax, strict, never };

  std::string separator = "\n";
  std::optional<std::string> field_separator;  // empty: fields run together
  Defer defer = Defer::lax;
  Dnssec dnssec = Dnssec::lax;
  std::optional<Millis> retrans;
  std::optional<int> retry;
  const DnsdbType* type = nullptr;
  std::vector<std::string> names;
};

Result<DnsdbQuery> parse_dnsdb_query(std::string_view text);
// The records of the query's type in `records`, as text, behind what is in `out`.
void append_dnsdb_records(std::string& out, const DnsdbQuery& query,
                          const std::vector<dns::Record>& records);

}  // namespace godwit::acl
