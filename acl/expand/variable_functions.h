// Building blocks for rows of variables: a field of a group of facts, or a function of the group.
// A missing group gives the empty string. Included by variable_rows_*.cc only.
#pragma once

#include "acl/expand/context.h"
#include "acl/expand/variables.h"

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

template <class Facts>
const Facts* facts_of(const EvalContext& context) {
  if constexpr (std::same_as<Facts, ServerFacts>) return context.server;
  if constexpr (std::same_as<Facts, ConnectionFacts>) return context.connection;
  if constexpr (std::same_as<Facts, MessageFacts>) return context.message;
  if constexpr (std::same_as<Facts, AddressFacts>) return context.address;
  if constexpr (std::same_as<Facts, EvalContext>) return &context;
  if constexpr (std::same_as<Facts, Findings>) return &context.findings;
}

inline void append_value(std::string_view value, std::string& out) {
  out += value;
}
inline void append_value(int64_t value, std::string& out) {
  out += std::to_string(value);
}

// field<&ServerFacts::pid>: a text or a number.
template <auto Member>
struct Field;
template <class Facts, class T, T Facts::*Member>
struct Field<Member> {
  static void append(const EvalContext& context, std::string& out) {
    if (const Facts* facts = facts_of<Facts>(context)) append_value(facts->*Member, out);
  }
  static constexpr bool kIsText = std::convertible_to<T, std::string_view>;
  static std::string_view text(const EvalContext& context)
    requires kIsText
  {
    const Facts* facts = facts_of<Facts>(context);
    return facts == nullptr ? std::string_view() : std::string_view(facts->*Member);
  }
  static constexpr VariableSource source() {
    // Of the context, $item alone is shown where it stands in a list.
    constexpr bool kMoves = std::same_as<Facts, EvalContext> && std::same_as<T, std::string>;
    if constexpr (kIsText) return {&append, &text, kMoves};
    return &append;
  }
};
template <auto Member>
inline constexpr VariableSource field = Field<Member>::source();

// made<&function>: void function(const Facts&, std::string& out).
template <auto Function>
struct Made;
template <class Facts, void (*Function)(const Facts&, std::string&)>
struct Made<Function> {
  static void append(const EvalContext& context, std::string& out) {
    if (const Facts* facts = facts_of<Facts>(context)) Function(*facts, out);
  }
};
template <auto Function>
inline constexpr auto made = &Made<Function>::append;

// Items with `between` between them.
inline void append_joined(const std::vector<std::string>& items, std::string_view between,
                          std::string& out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += between;
    out += items[i];
  }
}

}  // namespace godwit::acl
