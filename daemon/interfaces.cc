#include "daemon/interfaces.h"

#include "core/config/values.h"
#include "protocol/smtp/ports.h"

#include <algorithm>
#include <string>

namespace godwit::daemon {

std::optional<Endpoint> parse_interface(std::string_view item) {
  if (item.starts_with('[')) {
    const size_t close = item.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const Result<IpAddress> address = IpAddress::parse(item.substr(1, close - 1));
    if (!address) return std::nullopt;
    if (close + 1 == item.size()) return Endpoint{*address, 0};
    const std::optional<uint16_t> port =
        item[close + 1] == ':' ? smtp::parse_port(item.substr(close + 2)) : std::nullopt;
    if (!port) return std::nullopt;
    return Endpoint{*address, *port};
  }
  // Exim writes "::0" for the unspecified IPv6 address.
  const Result<IpAddress> whole = IpAddress::parse(item == "::0" ? "::" : item);
  if (whole) return Endpoint{*whole, 0};
  const size_t dot = item.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const Result<IpAddress> address = IpAddress::parse(item.substr(0, dot));
  const std::optional<uint16_t> port = smtp::parse_port(item.substr(dot + 1));
  if (!address || !port) return std::nullopt;
  return Endpoint{*address, *port};
}

std::vector<IpAddress> local_addresses(std::initializer_list<std::string_view> lists,
                                       std::span<const IpAddress> existing) {
  std::vector<IpAddress> out;
  const auto add = [&out](const IpAddress& address) {
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  };
  for (const std::string_view list : lists) {
    for (const std::string& item : config::split_list(list)) {
      const std::optional<Endpoint> at = parse_interface(item);
      if (!at) continue;
      if (!at->address.is_unspecified()) {
        add(at->address);
        continue;
      }
      for (const IpAddress& address : existing) {
        if (address.is_v6() == at->address.is_v6()) add(address);
      }
    }
  }
  return out;
}

}  // namespace godwit::daemon
