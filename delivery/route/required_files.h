// require_files: which files must be there, or must not, for a router to run.
#pragma once

#include "acl/expand/services.h"
#include "core/base/result.h"

#include <string>

namespace godwit::delivery {

// `list` is an expanded list: "/path", "!/path" (must not exist), "+/path" (what may not be looked
// at does not exist), and "user" or "user,group", who must be able to read the files after it.
// Errors: what could not be found out.
Result<bool> required_files_exist(const std::string& list, const acl::Services* services);

}  // namespace godwit::delivery
