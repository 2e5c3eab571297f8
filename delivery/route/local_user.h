// Logins and groups of this machine: check_local_user, user, group, owners. The password database
// may be slow (NSS), so that it is asked on the thread pool: from a fiber with find_..., or with
// ask_..., which block, by whoever is there already or has no loop.
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
  std::string login;  // empty: a number that no login has
};

// By name, or by number where `numeric_allowed`. Nothing where there is no such login; an error
// where the question could not be asked, or no login can have that number.
Result<std::optional<LocalUser>> find_local_user(const std::string& name, bool numeric_allowed,
                                                 const acl::Services* services);
// A group by name or number.
Result<std::optional<uint32_t>> find_local_group(const std::string& name,
                                                 const acl::Services* services);
Result<std::optional<LocalUser>> ask_local_user(const std::string& name, bool numeric_allowed);
Result<std::optional<uint32_t>> ask_local_group(const std::string& name);

}  // namespace godwit::delivery
