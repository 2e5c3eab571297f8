// What this program can do, under the names that Exim has for it: "Support for:" of -bV, and the
// macros that are there before a configuration's first line (_HAVE_..., _OPT_..., _DRIVER_...).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

struct FeatureRow {
  std::string_view support;  // word of "Support for:"; empty: none
  std::string_view macro;    // without "_HAVE_"; empty: none
};
// Only what is there.
std::span<const FeatureRow> feature_rows() noexcept;

// Names of all built-in macros. The views live as long as the program.
const std::vector<std::string_view>& builtin_macros();

}  // namespace godwit::daemon
