// EhloMemory: what servers answered to EHLO, remembered for early pipelining (hosts_pipe_connect):
// the next connection says EHLO and goes on before it hears anything. In the hints, shared by all
// workers; a record is a hint that the answer itself confirms or refutes (ClientEngine).
#pragma once

#include "core/base/ip_address.h"
#include "core/base/time.h"
#include "core/hints/database.h"
#include "protocol/smtp/extensions.h"

#include <optional>
#include <string>
#include <string_view>

namespace godwit::delivery {

class EhloMemory {
 public:
  // `life`: retry_data_expire. `from`: the local address that is connected from, if one is chosen.
  EhloMemory(hints::Database& hints, Seconds life, const Endpoint& to,
             const std::optional<IpAddress>& from);

  // Nothing where it is unknown, too old, or without PIPECONNECT.
  std::optional<smtp::Capabilities> find(bool in_tls, WallTime now) const;
  // What the server said: kept where it offers PIPECONNECT, else forgotten.
  void learn(bool in_tls, std::string_view reply, WallTime now);
  void forget();

 private:
  std::string key(bool in_tls) const;

  hints::Database* hints_;
  Seconds life_;
  std::string place_;
};

}  // namespace godwit::delivery
