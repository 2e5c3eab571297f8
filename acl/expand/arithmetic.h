// ${eval: integers of 64 bits with C's operators. Numbers may be 0x hexadecimal and, unless
// `decimal`, octal with a leading 0; K, M and G multiply by powers of 1024.
#pragma once

#include <cstdint>
#include <string_view>

namespace godwit::acl {

struct Arithmetic {
  int64_t value = 0;
  std::string_view error;  // a constant; empty: `value` is good
  size_t read = 0;         // bytes that were read before the error
};
Arithmetic evaluate_arithmetic(std::string_view text, bool decimal);

}  // namespace godwit::acl
