#include "delivery/transport/identity.h"

#include <sys/fsuid.h>
#include <unistd.h>

namespace godwit::delivery {

std::string identity_problem(const DeliveryIdentity& identity) {
  if (geteuid() == 0) return {};
  if (identity.user && *identity.user != geteuid())
    return "cannot deliver as uid " + std::to_string(*identity.user) +
           ": this process is no root, its uid is " + std::to_string(geteuid());
  return {};
}

uint32_t effective_user(const DeliveryIdentity& identity) noexcept {
  return geteuid() == 0 ? identity.user.value_or(0) : geteuid();
}
uint32_t effective_group(const DeliveryIdentity& identity) noexcept {
  return geteuid() == 0 ? identity.group.value_or(getegid()) : getegid();
}

ActAs::ActAs(const DeliveryIdentity& identity) noexcept {
  if (geteuid() != 0) return;
  if (identity.group) old_group_ = setfsgid(*identity.group);
  if (identity.user) old_user_ = setfsuid(*identity.user);
}

ActAs::~ActAs() {
  if (old_user_ >= 0) setfsuid(static_cast<uid_t>(old_user_));
  if (old_group_ >= 0) setfsgid(static_cast<gid_t>(old_group_));
}

}  // namespace godwit::delivery
