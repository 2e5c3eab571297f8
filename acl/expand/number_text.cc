#include "acl/expand/number_text.h"

#include "core/base/ascii.h"
#include "core/base/quoted.h"

#include <limits>

namespace godwit::acl {

NumberText read_number_text(std::string_view text) {
  std::string_view rest = trim(text);
  if (rest.empty()) return {};
  const bool negative = rest.front() == '-';
  if (negative || rest.front() == '+') rest.remove_prefix(1);
  if (rest.empty() || !is_digit(rest.front())) {
    return {0, "integer expected but " + quoted(text) + " found"};
  }
  int64_t value = 0;
  bool overflows = false;
  for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1)) {
    overflows |= __builtin_mul_overflow(value, 10, &value);
    overflows |= __builtin_add_overflow(value, rest.front() - '0', &value);
  }
  const char unit = rest.empty() ? '\0' : to_lower(rest.front());
  const int64_t factor = unit == 'k' ? 1 << 10 : unit == 'm' ? 1 << 20 : unit == 'g' ? 1 << 30 : 1;
  if (factor != 1) rest.remove_prefix(1);
  overflows |= __builtin_mul_overflow(value, factor, &value);
  if (overflows) {
    return {0, "absolute value of integer " + quoted(text) + " is too large (overflow)"};
  }
  if (!rest.empty()) return {0, "invalid integer " + quoted(text)};
  return {negative ? -value : value, {}};
}

}  // namespace godwit::acl
