// Look-up by name in tables of rows, for compilers of the configuration. Tables are small and are
// read at load, so this is a walk.
#pragma once

#include "core/config/diagnostics.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::config {

template <class Row>
const Row* find_row(std::span<const Row> rows, std::string_view name) {
  if (name.empty()) return nullptr;
  for (const Row& row : rows) {
    // Most names differ in their first character.
    if (row.name.starts_with(name.front()) && row.name == name) return &row;
  }
  return nullptr;
}

template <class Row>
void add_names(std::span<const Row> rows, std::vector<std::string_view>& names) {
  for (const Row& row : rows) names.push_back(row.name);
}

// "did you mean ...?" for the nearest name of the table, or empty.
template <class Row>
std::string hint_from(std::span<const Row> rows, std::string_view word) {
  std::vector<std::string_view> names;
  add_names(rows, names);
  return did_you_mean(word, names);
}

}  // namespace godwit::config
