// Conditions that have a file of their own: condition_<name>.cc. The rows are in rows.cc.
#pragma once

#include "acl/policy/rows.h"

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

Answer run_ratelimit(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_dnslists(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_verify(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_udpsend(AclRun& run, const AclCondition& condition, const std::string& value);
Answer run_seen(AclRun& run, const AclCondition& condition, const std::string& value);

// What is wrong with a value that never changes; nothing where it is good.
std::optional<std::string> check_dnslists(std::string_view value);
std::optional<std::string> check_verify(std::string_view value);
std::optional<std::string> check_udpsend(std::string_view value);
// Where the item of a `verify` is legal.
WhereMask verify_legal(std::string_view value) noexcept;

}  // namespace godwit::acl
