// Protocol text: ASCII only, never the locale. Views in, views or strings out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit {

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
constexpr bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}
constexpr bool is_lower(char c) noexcept {
  return c >= 'a' && c <= 'z';
}
constexpr bool is_alpha(char c) noexcept {
  return is_upper(c) || is_lower(c);
}
constexpr bool is_alnum(char c) noexcept {
  return is_alpha(c) || is_digit(c);
}
constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}
// Space, tab, CR, LF, vertical tab, form feed.
constexpr bool is_space(char c) noexcept {
  // Most text is none of them: one comparison says so.
  return static_cast<unsigned char>(c) <= ' ' && (c == ' ' || (c >= '\t' && c <= '\r'));
}
constexpr bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr char to_lower(char c) noexcept {
  return is_upper(c) ? static_cast<char>(c + 32) : c;
}
constexpr char to_upper(char c) noexcept {
  return is_lower(c) ? static_cast<char>(c - 32) : c;
}
// Value of a hexadecimal digit; the caller has tested is_hex.
constexpr int hex_value(char c) noexcept {
  return is_digit(c) ? c - '0' : (to_lower(c) - 'a' + 10);
}

std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

constexpr bool equals_ignore_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}
constexpr bool starts_with_ignore_case(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() && equals_ignore_case(text.substr(0, prefix.size()), prefix);
}
constexpr bool ends_with_ignore_case(std::string_view text, std::string_view suffix) noexcept {
  return text.size() >= suffix.size() &&
         equals_ignore_case(text.substr(text.size() - suffix.size()), suffix);
}

constexpr std::string_view trim_left(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}
constexpr std::string_view trim_right(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}
constexpr std::string_view trim(std::string_view text) noexcept {
  return trim_left(trim_right(text));
}

// All of `text` as a decimal number; nothing where it is empty, has another character, or
// overflows.
std::optional<uint64_t> parse_decimal(std::string_view text) noexcept;

// Appends `value` in decimal.
void append_decimal(std::string& out, uint64_t value);

// `value` in base 62 (0-9A-Za-z), the most significant digit first, exactly `digits` wide.
void append_base62(std::string& out, uint64_t value, size_t digits);
std::optional<uint64_t> parse_base62(std::string_view text) noexcept;
// Value of a digit in base 62; -1 for another character.
constexpr int base62_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  if (is_upper(c)) return c - 'A' + 10;
  if (is_lower(c)) return c - 'a' + 36;
  return -1;
}

// Control characters as \n, \r, \t or \ooo, so that one event stays on one log line. Bytes over
// 0x7f pass, for UTF-8 addresses.
std::string escape_control(std::string_view text);

// Optimal string alignment distance, for "did you mean". Cost O(a*b); both are names of options.
size_t edit_distance(std::string_view a, std::string_view b);
// The name of `names` that is nearest to `word`, or empty where none is near enough to be meant.
std::string_view nearest_name(std::string_view word, const std::vector<std::string_view>& names);

}  // namespace godwit
