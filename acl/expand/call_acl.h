// Calling a named ACL from a string: ${acl and the condition `acl`.
#pragma once

#include "acl/expand/arguments.h"
#include "acl/expand/services.h"

#include <string>
#include <vector>

namespace godwit::acl {

struct AclOutcome {
  AclCaller::Verdict verdict = AclCaller::Verdict::error;
  std::string message;
};
// The first argument is the name, the others become $acl_arg1... for the call. Not ok: the ACL
// could not run.
EvalStatus call_acl(const std::vector<Value>& arguments, EvalContext& context, AclOutcome& outcome);

}  // namespace godwit::acl
