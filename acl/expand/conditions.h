// Conditions of `${if`: a row each. A row without a function is known to the language and not
// available. The functions stand in conditions_*.cc by theme.
#pragma once

#include "acl/expand/node.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace godwit::acl {

class Parser;

enum class ConditionShape : uint8_t {
  strings,         // as many {...} as `args` says
  braced_strings,  // {{a}{b}...}, at most `args`
  list,            // {subject}{list}: the second is a list, compiled and not expanded
  each,            // {list}{condition}
  variable,        // def:name
  condition,       // and{{..}{..}}, or{{..}{..}}
};

struct ConditionRow {
  std::string_view name;
  ConditionShape shape;
  uint8_t args;
  uint8_t form;      // told to `run`: which comparison, which kind of list
  bool suspends;     // may wait for something outside
  bool sets;         // leaves $value or $1 to what comes after it
  RunCondition run;  // null: not available
  // Looks at constant arguments; null: nothing to look at.
  bool (*check)(Parser& parser, ConditionNode& node, size_t begin);
  std::string_view doc;
};
std::span<const ConditionRow> condition_rows() noexcept;

// What `form` says of comparisons.
enum Comparison : uint8_t { kEq, kLt, kLe, kGt, kGe };
inline constexpr uint8_t kIgnoreCase = 0x10;
// Of lists: how items are parted.
enum ListForm : uint8_t { kSeparated, kJson, kJsonStrings };
inline constexpr uint8_t kAll = 0x10;

// A number with K, M or G, as comparisons read it; an empty text is 0.
std::optional<int64_t> expression_number(std::string_view text) noexcept;

// conditions_compare.cc
EvalStatus run_compare_text(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_compare_number(const ConditionNode& node, EvalContext& context, bool& answer);
// The same where the second number is constant; check_compare_number() sees to it.
EvalStatus run_compare_constant(const ConditionNode& node, EvalContext& context, bool& answer);
bool check_compare_number(Parser& parser, ConditionNode& node, size_t begin);
EvalStatus run_bool(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_isip(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_match(const ConditionNode& node, EvalContext& context, bool& answer);
bool check_match(Parser& parser, ConditionNode& node, size_t begin);

// conditions_list.cc
EvalStatus run_match_list(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_inlist(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_each(const ConditionNode& node, EvalContext& context, bool& answer);
// A list that is constant is split at load.
bool check_inlist(Parser& parser, ConditionNode& node, size_t begin);
bool check_each(Parser& parser, ConditionNode& node, size_t begin);

// conditions_outside.cc
EvalStatus run_acl_condition(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_exists(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_inbound_srs(const ConditionNode& node, EvalContext& context, bool& answer);
EvalStatus run_state(const ConditionNode& node, EvalContext& context, bool& answer);

// conditions_crypt.cc
EvalStatus run_crypteq(const ConditionNode& node, EvalContext& context, bool& answer);

}  // namespace godwit::acl
