#include "core/base/ip_address.h"

#include "core/base/ascii.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

namespace godwit {
namespace {

// "192.0.2.1" in host order: four decimal numbers without leading zeros, nothing else.
std::optional<uint32_t> parse_dotted(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at == end || *at++ != '.')) return std::nullopt;
    if (at == end || !is_digit(*at)) return std::nullopt;
    if (*at == '0' && end - at > 1 && is_digit(at[1])) return std::nullopt;
    uint32_t value = 0;
    for (; at != end && is_digit(*at); ++at) {
      value = value * 10 + static_cast<uint32_t>(*at - '0');
      if (value > 255) return std::nullopt;
    }
    address = address << 8 | value;
  }
  if (at != end) return std::nullopt;
  return address;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (const std::optional<uint32_t> dotted = parse_dotted(text)) return v4(*dotted);
  std::array<char, INET6_ADDRSTRLEN + 1> buffer{};
  if (text.empty() || text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) {
    return Error(Errc::malformed, "not an IP address");
  }
  text.copy(buffer.data(), text.size());
  IpAddress out;
  if (inet_pton(AF_INET6, buffer.data(), out.bytes_.data()) == 1) {
    out.is_v6_ = true;
    return out;
  }
  return Error(Errc::malformed, "not an IP address: " + escape_control(text));
}

IpAddress IpAddress::v4(uint32_t host_order) {
  IpAddress out;
  for (size_t i = 0; i < 4; ++i) out.bytes_[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return out;
}

IpAddress IpAddress::v6(const std::array<uint8_t, 16>& bytes) {
  IpAddress out;
  out.bytes_ = bytes;
  out.is_v6_ = true;
  return out;
}

bool IpAddress::is_loopback() const noexcept {
  if (!is_v6_) return bytes_[0] == 127;
  constexpr std::array<uint8_t, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes_ == kLoopback;
}

bool IpAddress::is_unspecified() const noexcept {
  return bytes_ == std::array<uint8_t, 16>{};
}

std::string_view IpAddress::bytes() const noexcept {
  return {reinterpret_cast<const char*>(bytes_.data()), is_v6_ ? size_t{16} : size_t{4}};
}

std::string IpAddress::to_string() const {
  if (!is_v6_) {
    std::string out;  // no longer than what a string holds in itself
    for (size_t i = 0; i < 4; ++i) {
      if (i > 0) out += '.';
      append_decimal(out, bytes_[i]);
    }
    return out;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

Result<Cidr> Cidr::parse(std::string_view text) {
  Cidr out;
  const size_t slash = text.find('/');
  Result<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return address.error();
  out.address_ = *address;
  const int bits_max = address->is_v6() ? 128 : 32;
  out.prefix_bits_ = bits_max;
  if (slash == std::string_view::npos) return out;
  const std::optional<uint64_t> bits = parse_decimal(text.substr(slash + 1));
  if (!bits || *bits > static_cast<uint64_t>(bits_max)) {
    return Error(Errc::malformed, "not a prefix length: " + escape_control(text.substr(slash + 1)));
  }
  out.prefix_bits_ = static_cast<int>(*bits);
  return out;
}

bool Cidr::contains(const IpAddress& address) const noexcept {
  if (address.is_v6() != address_.is_v6()) return false;
  const std::string_view network = address_.bytes();
  const std::string_view candidate = address.bytes();
  const auto whole_bytes = static_cast<size_t>(prefix_bits_ / 8);
  // Networks that do not match differ early: no call is worth it.
  for (size_t i = 0; i < whole_bytes; ++i) {
    if (network[i] != candidate[i]) return false;
  }
  const int rest_bits = prefix_bits_ % 8;
  if (rest_bits == 0) return true;
  const auto mask = static_cast<unsigned>(0xff00 >> rest_bits) & 0xffU;
  return ((static_cast<unsigned char>(network[whole_bytes]) ^
           static_cast<unsigned char>(candidate[whole_bytes])) &
          mask) == 0;
}

std::string Cidr::to_string() const {
  return address_.to_string() + "/" + std::to_string(prefix_bits_);
}

std::string Endpoint::to_string() const {
  return "[" + address.to_string() + "]:" + std::to_string(port);
}

unsigned to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) noexcept {
  std::memset(&out, 0, sizeof out);
  const std::string_view bytes = endpoint.address.bytes();
  if (endpoint.address.is_v6()) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    std::memcpy(&v6->sin6_addr, bytes.data(), bytes.size());
    return sizeof *v6;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(endpoint.port);
  std::memcpy(&v4->sin_addr, bytes.data(), bytes.size());
  return sizeof *v4;
}

std::optional<Endpoint> from_sockaddr(const sockaddr* address) noexcept {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return Endpoint{IpAddress::v4(ntohl(v4->sin_addr.s_addr)), ntohs(v4->sin_port)};
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  std::array<uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    uint32_t network_order;
    std::memcpy(&network_order, bytes.data() + 12, sizeof network_order);
    return Endpoint{IpAddress::v4(ntohl(network_order)), ntohs(v6->sin6_port)};
  }
  return Endpoint{IpAddress::v6(bytes), ntohs(v6->sin6_port)};
}

}  // namespace godwit
