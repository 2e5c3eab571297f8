// Conditions that have a file of their own: condition_<name>.cc. The rows are in rows.cc.
#pragma once

#include "acl/policy/rows.h"

#include <string>

namespace godwit::acl {

Answer run_ratelimit(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_seen(AclRun& run, const AclCondition& condition, const std::string& value);

}  // namespace godwit::acl
