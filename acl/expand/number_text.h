// Numbers as comparisons, randint and sort read them: decimal with an optional sign, then K, M or
// G; blanks around; an empty text is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::acl {

struct NumberText {
  int64_t value = 0;
  std::string error;  // empty: `value` is good
};
NumberText read_number_text(std::string_view text);

// True of digits and nothing else, few enough to fit: what numbers nearly always are.
constexpr bool read_plain_digits(std::string_view text, int64_t& value) noexcept {
  constexpr size_t kDigitsMax = 18;
  if (text.empty() || text.size() > kDigitsMax) return false;
  value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return true;
}

}  // namespace godwit::acl
