// Operators, `${name:text}` and `${name_1_2:text}`: a row each. A row without a function is known
// to the language and not available yet.
#pragma once

#include "acl/expand/node.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace godwit::acl {

struct OperatorRow {
  std::string_view name;
  uint8_t numbers_min;  // how many numbers follow the name: substr_3_2
  uint8_t numbers_max;
  // `input` is the expanded operand. Null: not available yet.
  EvalStatus (*run)(const Node& node, std::string_view input, EvalContext& context,
                    std::string& out);
  std::string_view doc;
};
std::span<const OperatorRow> operator_rows() noexcept;

// Items, `${name{..}..}`, by name. All but those that the compiler has a function for wait.
struct ItemRow {
  std::string_view name;
  bool available;
  std::string_view doc;
};
std::span<const ItemRow> item_rows() noexcept;

// Puts double quotes around a local part that needs them, and backslashes inside. RFC 5321 4.1.2.
void append_quoted_local_part(std::string_view text, std::string& out);
// The parts of the first address in "Name <local@domain> (comment)"; empty where there is none.
struct AddressParts {
  std::string_view local_part;
  std::string_view domain;
};
AddressParts address_parts(std::string_view text) noexcept;

}  // namespace godwit::acl
