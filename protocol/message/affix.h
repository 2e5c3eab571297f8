// Affixes of local parts: what local_part_prefix, local_part_suffix, local_from_prefix and
// local_from_suffix take off. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace godwit::message {

struct Affix {
  bool found = false;
  size_t bytes = 0;       // of the whole affix
  size_t wild_bytes = 0;  // of what a "*" stood for: the start of a prefix, the end of a suffix
};

// The first of `affixes` that matches, in any case of letters. "*real-" takes whatever is before
// its last "real-"; "+*" takes everything from the first "+".
Affix find_prefix(std::string_view local_part, std::span<const std::string> affixes);
Affix find_suffix(std::string_view local_part, std::span<const std::string> affixes);

}  // namespace godwit::message
