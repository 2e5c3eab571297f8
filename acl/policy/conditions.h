// Conditions that have a file of their own: condition_<name>.cc. The rows are in rows.cc.
#pragma once

#include "acl/policy/rows.h"
#include "acl/policy/statement.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

Answer run_ratelimit(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_dnslists(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_verify(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_udpsend(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_seen(AclRun& run, const AclCondition& condition, const std::string& value);

// The parts of a value between slashes, from left to right, without blanks around them.
class SlashReader {
 public:
  explicit SlashReader(std::string_view text) noexcept : rest_(text) {}
  bool at_end() const noexcept { return rest_.empty(); }
  std::string_view rest() const noexcept { return rest_; }
  std::string_view next() noexcept;

 private:
  std::string_view rest_;
};

// Values that never change, parsed at load into `data`. Says what is wrong; nothing where it is
// good.
using PreparedData = std::shared_ptr<const ConditionData>;
std::optional<std::string> prepare_ratelimit(std::string_view value, PreparedData& data);
std::optional<std::string> prepare_seen(std::string_view value, PreparedData& data);

// What is wrong with a value that never changes; nothing where it is good.
std::optional<std::string> check_dnslists(std::string_view value);
std::optional<std::string> check_verify(std::string_view value);
std::optional<std::string> check_udpsend(std::string_view value);
// Where the item of a `verify` is legal.
WhereMask verify_legal(std::string_view value) noexcept;

}  // namespace godwit::acl
