// Files that a redirect router reads: who may own them, which permissions they must not have.
// Read on the thread pool, from a fiber.
#pragma once

#include "acl/expand/services.h"
#include "core/config/option.h"

#include <cstdint>
#include <string>

namespace godwit::delivery {

struct RedirectFileRules {
  bool is_included = false;  // by :include:
  bool check_owner = false;
  bool check_group = false;
  config::PlainList owners;  // names or numbers
  config::PlainList groups;
  int64_t user_id = -1;  // of check_local_user: may own the file as well
  int64_t group_id = -1;
  int64_t forbidden_mode = 0;  // modemask
};

struct RedirectFile {
  std::string text;
  int problem = 0;      // errno of what could not be done
  std::string message;  // not empty: why there is no text
};

RedirectFile read_redirect_file(const std::string& path, const RedirectFileRules& rules,
                                const acl::Services* services);

}  // namespace godwit::delivery
