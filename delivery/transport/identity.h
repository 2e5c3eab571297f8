// The user and group that a local delivery acts as. File access of one thread of the pool can take
// another identity (setfsuid) where the process is root; elsewhere only its own will do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace godwit::delivery {

struct DeliveryIdentity {
  std::optional<uint32_t> user;
  std::optional<uint32_t> group;
};

// Why files cannot be written as `identity`; empty where they can.
std::string identity_problem(const DeliveryIdentity& identity);
// The uid and gid whose files a delivery makes.
uint32_t effective_user(const DeliveryIdentity& identity) noexcept;
uint32_t effective_group(const DeliveryIdentity& identity) noexcept;

// File access of this thread is that of `identity` while it lives.
class ActAs {
 public:
  explicit ActAs(const DeliveryIdentity& identity) noexcept;
  ~ActAs();
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  int old_user_ = -1;
  int old_group_ = -1;
};

}  // namespace godwit::delivery
