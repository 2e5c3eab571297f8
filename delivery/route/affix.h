// local_part_prefix and local_part_suffix: what a router takes off a local part. Pure.
#pragma once

#include "core/config/option.h"

#include <cstddef>
#include <string_view>

namespace godwit::delivery {

struct Affix {
  bool found = false;
  size_t bytes = 0;       // of the whole affix
  size_t wild_bytes = 0;  // of what a "*" stood for: the start of a prefix, the end of a suffix
};

// The first of `affixes` that matches, in any case of letters. "*real-" takes whatever is before
// its last "real-"; "+*" takes everything from the first "+".
Affix find_prefix(std::string_view local_part, const config::PlainList& affixes);
Affix find_suffix(std::string_view local_part, const config::PlainList& affixes);

}  // namespace godwit::delivery
