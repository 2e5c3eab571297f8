// IP addresses, networks and endpoints as values. Text in and out; no name look-up ever.
#pragma once

#include "core/base/result.h"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;
struct sockaddr_storage;

namespace godwit {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  // Dotted quad or RFC 4291 text, without brackets, port or zone.
  static Result<IpAddress> parse(std::string_view text);
  static IpAddress v4(uint32_t host_order);
  static IpAddress v6(const std::array<uint8_t, 16>& bytes);

  bool is_v6() const noexcept { return is_v6_; }
  bool is_loopback() const noexcept;
  bool is_unspecified() const noexcept;
  // 4 or 16 bytes in network order.
  std::string_view bytes() const noexcept;
  std::string to_string() const;
  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};  // an IPv4 address has its four bytes first, then zeros
  bool is_v6_ = false;
};

// A network: address and prefix length in bits. An IPv4 network contains no IPv6 address.
class Cidr {
 public:
  // "192.0.2.0/24", "2001:db8::/32", or an address alone (all its bits).
  static Result<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& address) const noexcept;
  const IpAddress& address() const noexcept { return address_; }
  int prefix_bits() const noexcept { return prefix_bits_; }
  std::string to_string() const;

 private:
  IpAddress address_;
  int prefix_bits_ = 32;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  // "[192.0.2.1]:25", the form of Exim's logs and spool files.
  std::string to_string() const;
  auto operator<=>(const Endpoint&) const = default;
};

// For the socket calls. Fills `out` and returns its length in bytes.
unsigned to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) noexcept;
// Nothing for a family that is not IPv4 or IPv6. An IPv4-mapped IPv6 address becomes IPv4.
std::optional<Endpoint> from_sockaddr(const sockaddr* address) noexcept;

}  // namespace godwit
