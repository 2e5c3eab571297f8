// The types of option values: text in, value out. Used by option tables and by ACL modifiers.
// Errors are sentences for the operator; the caller knows the place.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/config/located_text.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::config {

// true, yes / false, no; in any case.
Result<bool> parse_bool(std::string_view text);
// Decimal, 0x hexadecimal, or octal with a leading 0; then K, M or G (powers of 1024).
Result<int64_t> parse_integer(std::string_view text);
// Octal digits, whatever the first: 0640 or 640. A mode.
Result<int64_t> parse_octal(std::string_view text);
// Up to three decimals, as thousandths: "1.5" is 1500.
Result<int64_t> parse_fixed(std::string_view text);
// "1h30m": weeks, days, hours, minutes, seconds; each number needs its letter.
Result<Seconds> parse_time(std::string_view text);

struct QuoteProblem {
  size_t offset = 0;  // in the raw text
  std::string message;
};
// Takes the quotes of "..." off and reads its escapes; other text comes back as it is. Each byte
// keeps its place.
LocatedText unquote(const LocatedText& raw, std::optional<QuoteProblem>& problem);
// The text with its escapes read, as in "...".
LocatedText read_escapes(const LocatedText& text);
// Behind the quote, " or ', that closes what the one at `at` opens; npos where none does. A
// backslash before it counts in "..." alone.
size_t quoted_end(std::string_view text, size_t at) noexcept;

// The separator of a list, and in `start` where its first item begins: ':' or what a leading '<'
// names, a punctuation or control character.
char list_separator(std::string_view list, size_t& start) noexcept;
// The items of a list, trimmed, with doubled separators undoubled. A separator that ends the list
// adds no item; an empty item before a separator is kept, so ":" is a list of one empty item.
std::vector<LocatedText> split_list(const LocatedText& list);
// The same, where places do not matter.
std::vector<std::string> split_list(std::string_view list);

}  // namespace godwit::config
