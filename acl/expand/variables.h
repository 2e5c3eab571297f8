// Variables: a row each, in variable_rows_*.cc. Names with a pattern ($acl_m..., $r_...) are known
// by their prefix. A row without a function has no source yet: it evaluates to the empty string,
// and its documentation says what it waits for.
#pragma once

#include "acl/expand/context.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

// Whether a value came from outside: always, or as whatever set it did.
enum class Taint : uint8_t { clean, outside, of_value, of_item, of_args };

// Where a value comes from: a function that appends it, and, of a text of the facts, one that shows
// it where it stands (empty where its group of facts is missing). Neither: no source yet.
struct VariableSource {
  using Append = void (*)(const EvalContext& context, std::string& out);
  using Text = std::string_view (*)(const EvalContext& context);

  Append append = nullptr;
  Text text = nullptr;
  bool moves = false;  // evaluations may change the text

  constexpr VariableSource(std::nullptr_t) {}
  constexpr VariableSource(Append appends, Text shows = nullptr, bool is_moving = false)
      : append(appends), text(shows), moves(is_moving) {}
};

struct VariableRow {
  std::string_view name;
  VariableSource source;
  std::string_view doc;
  Taint taint = Taint::clean;
};

inline bool is_tainted(Taint taint, const EvalContext& context) noexcept {
  switch (taint) {
    case Taint::clean:
      return false;
    case Taint::outside:
      return true;
    case Taint::of_value:
      return context.value_tainted;
    case Taint::of_item:
      return context.item_tainted;
    case Taint::of_args:
      return context.acl_args_tainted;
  }
  return true;
}

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
