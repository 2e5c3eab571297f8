// Asks a lookup and tells the context's Trace about it. Used by `${lookup` and by lists.
#pragma once

#include "acl/expand/context.h"
#include "acl/lookup/lookup.h"

#include <optional>

namespace godwit::acl {

// As Lookups::find(). context.services->lookups is there.
Result<std::optional<LookupAnswer>> find_traced(const LookupQuestion& question,
                                                EvalContext& context);

}  // namespace godwit::acl
