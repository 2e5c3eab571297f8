#include "protocol/smtp/xtext.h"

#include "core/base/ascii.h"

namespace godwit::smtp {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

// RFC 3461 4: printable ASCII but "+" and "=".
constexpr bool is_xchar(char c) noexcept {
  return c > ' ' && c <= '~' && c != '+' && c != '=';
}

}  // namespace

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '+') {
      if (at + 2 >= text.size() || !is_hex(text[at + 1]) || !is_hex(text[at + 2])) return {};
      c = static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]));
      if (c == '\r' || c == '\n' || c == '\0') return {};
      at += 2;
    } else if (!is_xchar(c)) {
      return {};
    }
    plain.push_back(c);
  }
  return plain;
}

bool is_xtext(std::string_view text) noexcept {
  for (size_t at = 0; at < text.size(); ++at) {
    if (is_xchar(text[at])) continue;
    if (text[at] != '+' || at + 2 >= text.size()) return false;
    if (!is_hex(text[at + 1]) || !is_hex(text[at + 2])) return false;
    const int value = hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]);
    if (value == '\r' || value == '\n' || value == 0) return false;
    at += 2;
  }
  return true;
}

void append_xtext(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_xchar(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('+');
    out.push_back(kHexDigits[byte >> 4]);
    out.push_back(kHexDigits[byte & 15]);
  }
}

}  // namespace godwit::smtp
