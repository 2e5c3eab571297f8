#include "acl/lookup/finders.h"
#include "acl/lookup/parts.h"

namespace godwit::acl {

Result<LookupFound> find_dnsdb(LookupParts&, const LookupCall&) {
  return deferred("no resolver");
}

}  // namespace godwit::acl
