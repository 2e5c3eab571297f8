#include "acl/expand/host_addresses.h"

#include "acl/expand/services.h"
#include "dns/hosts_file.h"
#include "dns/questions.h"

namespace godwit::acl {

NamedAddresses addresses_of(const std::string& name, const EvalContext& context) {
  const Services* services = context.services;
  if (services != nullptr && services->hosts_file != nullptr) {
    if (const auto* known = services->hosts_file->addresses(name)) return {*known, {}};
  }
  if (services == nullptr || services->resolver == nullptr)
    return {{}, "the DNS cannot be asked here"};
  const auto answer = dns::wait_here(dns::host_addresses(*services->resolver, name));
  if (!answer) return {{}, "DNS lookup of \"" + name + "\" deferred"};
  return {answer->addresses, {}};
}

}  // namespace godwit::acl
