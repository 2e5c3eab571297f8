// Numbers as comparisons, randint and sort read them: decimal with an optional sign, then K, M or
// G; blanks around; an empty text is 0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::acl {

struct NumberText {
  int64_t value = 0;
  std::string error;  // empty: `value` is good
};
NumberText read_number_text(std::string_view text);

}  // namespace godwit::acl
