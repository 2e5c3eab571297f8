// errors_copy: who gets copies of the bounce messages to an address. Compiled at load; immutable.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/lists/lists.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

struct ErrorsCopy {
  std::shared_ptr<const acl::ListPattern> pattern;  // of addresses
  acl::Expansion addresses;
};

std::vector<ErrorsCopy> compile_errors_copy(const config::LocatedText& list,
                                            const acl::NamedLists& lists,
                                            config::Diagnostics& diagnostics);

// The addresses of the first item that matches. May wait on the current fiber. `problem`: why there
// may be none.
std::vector<std::string> copies_of(const std::vector<ErrorsCopy>& items, std::string_view recipient,
                                   acl::EvalContext& context, std::string& problem);

}  // namespace godwit::delivery
