// DNS resource records as values: what an answer holds after parsing. Names are in presentation
// form without the final dot ("." is the root), in the case in which they arrived; odd bytes are
// escaped (RFC 1035 5.1). Used by dns/ and by everybody who asks. RFC 1035, 2782, 3596, 6698.
#pragma once

#include "core/base/ip_address.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace godwit::dns {

// Any 16-bit value is legal; these have names and, mostly, a typed form.
enum class RrType : uint16_t {
  A = 1,
  NS = 2,
  CNAME = 5,
  SOA = 6,
  PTR = 12,
  MX = 15,
  TXT = 16,
  AAAA = 28,
  SRV = 33,
  OPT = 41,
  TLSA = 52,
  SPF = 99,
};

// "MX"; "TYPE65" for one without a name.
std::string to_string(RrType type);

struct HostName {  // NS, CNAME, PTR
  std::string name;
  bool operator==(const HostName&) const = default;
};
struct Mx {
  uint16_t preference = 0;
  std::string exchange;
  bool operator==(const Mx&) const = default;
};
struct Txt {  // TXT, SPF
  std::vector<std::string> strings;
  // The strings run together, as SPF, DKIM and DMARC read them.
  std::string joined() const;
  bool operator==(const Txt&) const = default;
};
struct Srv {
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target;
  bool operator==(const Srv&) const = default;
};
struct Tlsa {
  uint8_t usage = 0;
  uint8_t selector = 0;
  uint8_t matching_type = 0;
  std::string data;  // octets
  bool operator==(const Tlsa&) const = default;
};
struct Soa {
  std::string primary;
  std::string mailbox;
  uint32_t serial = 0;
  uint32_t refresh = 0;
  uint32_t retry = 0;
  uint32_t expire = 0;
  uint32_t minimum = 0;
  bool operator==(const Soa&) const = default;
};
struct RawData {  // every other type: the octets of the record
  std::string octets;
  bool operator==(const RawData&) const = default;
};

struct Record {
  RrType type = RrType::A;
  uint32_t ttl_seconds = 0;
  std::variant<IpAddress, HostName, Mx, Txt, Srv, Tlsa, Soa, RawData> data;

  // Null where the record is of another type.
  template <class T>
  const T* as() const noexcept {
    return std::get_if<T>(&data);
  }
};

}  // namespace godwit::dns
