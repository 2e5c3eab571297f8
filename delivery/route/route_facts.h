// What a transport may see of an address that was routed. Used by deliveries, and by whoever asks a
// transport something without one.
#pragma once

#include "acl/expand/context.h"
#include "delivery/route/router.h"

namespace godwit::delivery {

// All but the recipient of the envelope, the parent, and the pipe or file that it may be.
acl::AddressFacts facts_of(const RouteResult& route);

}  // namespace godwit::delivery
