// Where to connect or to listen: Postfix's "[inet:][host]:port" and "unix:path", and the rule that
// the test programs stay on this machine.
#pragma once

#include "core/base/ip_address.h"
#include "core/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::bench {

enum class Family : uint8_t { any, v4, v6 };

struct TargetText {
  std::string unix_path;  // set for a unix-domain socket, and then nothing else
  std::string host;       // empty where none was given
  uint16_t port = 0;      // 0 where none was given
};

struct Target {
  std::string unix_path;
  std::vector<Endpoint> endpoints;  // of a TCP target, at least one

  bool is_unix() const noexcept { return !unix_path.empty(); }
  std::string to_string() const;
};

// IPv6 addresses stand in brackets where a port follows.
Result<TargetText> parse_target(std::string_view text);

// Turns a host name into addresses; may ask the system's resolver and block. An empty host is
// `otherwise` (a literal address). Errc::permission_denied for an address that is not a loopback
// one, unless `allow_non_loopback`.
Result<Target> resolve_target(const TargetText& text, std::string_view otherwise,
                              uint16_t default_port, Family family, bool allow_non_loopback);

}  // namespace godwit::bench
