#include "bench/common/target.h"

#include "core/base/ascii.h"

#include <netdb.h>
#include <sys/socket.h>

#include <memory>

namespace godwit::bench {
namespace {

Result<uint16_t> parse_port(std::string_view text) {
  const std::optional<uint64_t> port = parse_decimal(text);
  if (port && *port > 0 && *port <= 65535) return static_cast<uint16_t>(*port);
  if (text == "smtp") return uint16_t{25};
  return Error(Errc::invalid_argument, "\"" + std::string(text) + "\" is not a port");
}

int family_number(Family family) noexcept {
  switch (family) {
    case Family::v4:
      return AF_INET;
    case Family::v6:
      return AF_INET6;
    case Family::any:
      return AF_UNSPEC;
  }
  return AF_UNSPEC;
}

Result<std::vector<IpAddress>> addresses_of(const std::string& host, Family family) {
  addrinfo hints{};
  hints.ai_family = family_number(family);
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status != 0) return Error(Errc::not_found, "host " + host + ": " + ::gai_strerror(status));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* row = found; row != nullptr; row = row->ai_next) {
    const std::optional<Endpoint> endpoint = from_sockaddr(row->ai_addr);
    if (endpoint) addresses.push_back(endpoint->address);
  }
  if (addresses.empty()) return Error(Errc::not_found, "host " + host + " has no address");
  return addresses;
}

}  // namespace

std::string Target::to_string() const {
  return is_unix() ? "unix:" + unix_path : endpoints.front().to_string();
}

Result<TargetText> parse_target(std::string_view text) {
  TargetText target;
  if (text.starts_with("unix:")) {
    target.unix_path = text.substr(5);
    if (target.unix_path.empty()) return Error(Errc::invalid_argument, "unix: needs a path");
    return target;
  }
  if (text.starts_with("inet:")) text.remove_prefix(5);
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos)
      return Error(Errc::invalid_argument, "a bracket is not closed in " + std::string(text));
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':'))
      return Error(Errc::invalid_argument, "only :port may follow the bracket");
    if (!port.empty()) port.remove_prefix(1);
  } else if (const size_t colon = text.find(':');
             colon == text.rfind(':') && colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  target.host = host;
  if (port.empty()) return target;
  const Result<uint16_t> number = parse_port(port);
  if (!number) return number.error();
  target.port = *number;
  return target;
}

Result<Target> resolve_target(const TargetText& text, std::string_view otherwise,
                              uint16_t default_port, Family family, bool allow_non_loopback) {
  Target target;
  target.unix_path = text.unix_path;
  if (target.is_unix()) return target;
  const std::string host = text.host.empty() ? std::string(otherwise) : text.host;
  const uint16_t port = text.port == 0 ? default_port : text.port;
  const Result<std::vector<IpAddress>> addresses = addresses_of(host, family);
  if (!addresses) return addresses.error();
  for (const IpAddress& address : *addresses) {
    if (!address.is_loopback() && !allow_non_loopback) {
      return Error(Errc::permission_denied,
                   address.to_string() +
                       " is not a loopback address. This is a load generator: it stays on "
                       "this machine unless --allow-non-loopback is given");
    }
    target.endpoints.push_back({address, port});
  }
  return target;
}

}  // namespace godwit::bench
