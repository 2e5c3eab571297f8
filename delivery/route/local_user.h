// Logins and groups of this machine: check_local_user, user, group, owners. The password database
// may be slow (NSS), so that it is asked on the thread pool, from a fiber.
#pragma once

#include "acl/expand/services.h"
#include "core/base/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace godwit::delivery {

struct LocalUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string home;
};

// By name, or by number where `numeric_allowed`. Nothing where there is no such login; an error
// where the question could not be asked.
Result<std::optional<LocalUser>> find_local_user(const std::string& name, bool numeric_allowed,
                                                 const acl::Services* services);
// A group by name or number.
Result<std::optional<uint32_t>> find_local_group(const std::string& name,
                                                 const acl::Services* services);

}  // namespace godwit::delivery
