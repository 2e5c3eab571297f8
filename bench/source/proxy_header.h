// The PROXY protocol's version 2 header, which a balancer sends before the client's bytes.
#pragma once

#include "bench/common/target.h"

#include <string>

namespace godwit::bench {

// Names `client` as the source. The destination is the target's first address, or, where its family
// is another one, the loopback address of the client's family.
std::string proxy_header(const Endpoint& client, const Target& target);

}  // namespace godwit::bench
