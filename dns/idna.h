// Domains as people write them to domains as the DNS holds them (IDNA 2008, libidn2).
#pragma once

#include "core/base/result.h"

#include <string>
#include <string_view>

namespace godwit::dns {

constexpr bool is_ascii(std::string_view text) noexcept {
  for (char c : text) {
    if (static_cast<unsigned char>(c) > 0x7f) return false;
  }
  return true;
}

// UTF-8 to A-labels; ASCII comes back as it is. Malformed: no domain, or not UTF-8.
Result<std::string> to_a_labels(std::string_view domain);
// A-labels to UTF-8, where they are any; otherwise as they are.
std::string to_u_labels(std::string_view domain);

}  // namespace godwit::dns
