// How diagnoses and log lines show a piece of text: between double quotes, as it stands.
#pragma once

#include <string>
#include <string_view>

namespace godwit {

inline std::string quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  out += text;
  out += '"';
  return out;
}

}  // namespace godwit
