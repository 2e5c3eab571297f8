// Conditions of `${if`: a row each. A row without a function is known to the language and not
// available yet.
#pragma once

#include "acl/expand/node.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace godwit::acl {

enum class ConditionShape : uint8_t {
  strings,    // as many {...} as `args` says
  list,       // {subject}{list}: the second is a list, compiled and not expanded
  variable,   // def:name
  condition,  // and{{..}{..}}, or{{..}{..}}
};

struct ConditionRow {
  std::string_view name;
  ConditionShape shape;
  uint8_t args;
  uint8_t form;      // told to `run`: which comparison, which kind of list
  RunCondition run;  // null: not available yet
  std::string_view doc;
};
std::span<const ConditionRow> condition_rows() noexcept;

// A number with K, M or G, as comparisons read it; an empty text is 0.
std::optional<int64_t> expression_number(std::string_view text) noexcept;

}  // namespace godwit::acl
