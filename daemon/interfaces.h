// The items of local_interfaces: where to listen, and which addresses are this machine's.
#pragma once

#include "core/base/ip_address.h"

#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace godwit::daemon {

// "192.0.2.1", "192.0.2.1.25", "[192.0.2.1]:25", "::1", "[::1]:25", "::1.25": Exim's forms. The
// port is 0 where the item has none. Nothing where it is none of them.
std::optional<Endpoint> parse_interface(std::string_view item);

// The addresses that routing takes for the local host: those of local_interfaces and
// extra_local_interfaces, where a wildcard (0.0.0.0, ::0) stands for the `existing` ones of its
// family. Items that are no address are left out; reading where to listen names them.
std::vector<IpAddress> local_addresses(std::initializer_list<std::string_view> lists,
                                       std::span<const IpAddress> existing);

}  // namespace godwit::daemon
