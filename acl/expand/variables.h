// Variables: a row each, in variable_rows_*.cc. Names with a pattern ($acl_m..., $r_...) are known
// by their prefix. A row without a function has no source yet: it evaluates to the empty string,
// and its documentation says what it waits for.
#pragma once

#include "acl/expand/context.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

// Whether a value came from outside: always, or as whatever set it did.
enum class Taint : uint8_t { clean, outside, of_value, of_item, of_args };

struct VariableRow {
  std::string_view name;
  void (*append)(const EvalContext& context, std::string& out);  // null: no source yet
  std::string_view doc;
  Taint taint = Taint::clean;
};

// Null where there is no such variable. Old spellings are found by their current row.
const VariableRow* find_variable(std::string_view name) noexcept;
// True for names that need no row: acl_c..., acl_m..., r_..., acl_arg1 to 9.
bool is_pattern_variable(std::string_view name) noexcept;
// All names, for "did you mean".
std::vector<std::string_view> variable_names();

// The tables, one a group; sorted by name only as a whole.
std::span<const VariableRow> server_variable_rows() noexcept;
std::span<const VariableRow> connection_variable_rows() noexcept;
std::span<const VariableRow> message_variable_rows() noexcept;
std::span<const VariableRow> address_variable_rows() noexcept;
std::span<const VariableRow> later_variable_rows() noexcept;

}  // namespace godwit::acl
