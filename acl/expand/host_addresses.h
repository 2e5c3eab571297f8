// The addresses of a host name for evaluators: the hosts file first, then the DNS. Waits on the
// current fiber. Used by host lists and ${readsocket.
#pragma once

#include "acl/expand/context.h"
#include "core/base/ip_address.h"

#include <string>
#include <vector>

namespace godwit::acl {

struct NamedAddresses {
  std::vector<IpAddress> found;
  std::string problem;  // not empty: could not be asked
};
NamedAddresses addresses_of(const std::string& name, const EvalContext& context);

}  // namespace godwit::acl
