// testdb: for tests of what uses lookups. The query "fail" is not found, "defer" cannot be asked,
// every other is its own answer; that of "nocache" is not kept.
#include "acl/lookup/finders.h"

namespace godwit::acl {

Result<LookupFound> find_testdb(LookupParts&, const LookupCall& call) {
  if (call.key == "fail") return LookupFound();
  if (call.key == "defer") return deferred("testdb lookup forced DEFER");
  LookupFound answer = found(std::string(call.key));
  answer->cacheable = call.key != "nocache";
  return answer;
}

}  // namespace godwit::acl
