#include "core/config/values.h"

#include "core/base/ascii.h"

#include <array>
#include <charconv>
#include <limits>

namespace godwit::config {
namespace {

struct TimeUnit {
  char letter;
  int64_t seconds;
};
constexpr std::array kTimeUnits = {
    TimeUnit{'s', 1},     TimeUnit{'m', 60},     TimeUnit{'h', 3600},
    TimeUnit{'d', 86400}, TimeUnit{'w', 604800},
};
// A century; sums of times stay far from overflow.
constexpr int64_t kTimeSecondsMax = 100LL * 366 * 86400;

Error wrong(std::string text) {
  return Error(Errc::config, std::move(text));
}

std::optional<int64_t> seconds_of(char letter) {
  for (const TimeUnit& unit : kTimeUnits) {
    if (unit.letter == letter) return unit.seconds;
  }
  return std::nullopt;
}

int64_t suffix_factor(char letter) {
  switch (to_upper(letter)) {
    case 'K':
      return 1LL << 10;
    case 'M':
      return 1LL << 20;
    case 'G':
      return 1LL << 30;
    default:
      return 1;
  }
}

// Appends the character that the escape at raw[offset] (after the backslash) stands for and returns
// the offset behind it.
size_t append_escape(const LocatedText& raw, size_t offset, LocatedText& out) {
  const Place place = raw.at(offset - 1);
  const std::string_view text = raw.view();
  const char c = text[offset];
  if (c >= '0' && c <= '7') {
    unsigned value = 0;
    size_t i = offset;
    for (; i < text.size() && i < offset + 3 && text[i] >= '0' && text[i] <= '7'; ++i) {
      value = value * 8 + static_cast<unsigned>(text[i] - '0');
    }
    out.append(static_cast<char>(value & 0xff), place);
    return i;
  }
  if (c == 'x') {
    unsigned value = 0;
    size_t i = offset + 1;
    for (; i < text.size() && i < offset + 3 && is_hex(text[i]); ++i) {
      value = value * 16 + static_cast<unsigned>(hex_value(text[i]));
    }
    out.append(static_cast<char>(value), place);
    return i;
  }
  constexpr std::string_view kLetters = "bfnrtv";
  constexpr std::string_view kControls = "\b\f\n\r\t\v";
  const size_t known = kLetters.find(c);
  out.append(known == std::string_view::npos ? c : kControls[known], place);
  return offset + 1;
}

}  // namespace

Result<bool> parse_bool(std::string_view text) {
  if (equals_ignore_case(text, "true") || equals_ignore_case(text, "yes")) return true;
  if (equals_ignore_case(text, "false") || equals_ignore_case(text, "no")) return false;
  return wrong("\"" + std::string(text) + "\" is neither true, yes, false nor no");
}

Result<int64_t> parse_integer(std::string_view text) {
  std::string_view digits = text;
  const bool negative = !digits.empty() && digits.front() == '-';
  if (negative) digits.remove_prefix(1);
  int64_t factor = 1;
  if (!digits.empty()) factor = suffix_factor(digits.back());
  if (factor != 1) digits.remove_suffix(1);
  int base = 10;
  if (starts_with_ignore_case(digits, "0x")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits.front() == '0') {
    base = 8;
  }
  uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, value, base);
  if (digits.empty() || error == std::errc::invalid_argument || stopped != end) {
    return wrong("\"" + std::string(text) + "\" is not a number");
  }
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (error != std::errc() || value > kMax / static_cast<uint64_t>(factor)) {
    return wrong("\"" + std::string(text) + "\" is too large a number");
  }
  const int64_t result = static_cast<int64_t>(value) * factor;
  return negative ? -result : result;
}

Result<int64_t> parse_octal(std::string_view text) {
  uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, 8);
  if (text.empty() || error != std::errc() || stopped != end) {
    return wrong("\"" + std::string(text) + "\" is not an octal number");
  }
  return static_cast<int64_t>(value);
}

Result<int64_t> parse_fixed(std::string_view text) {
  const size_t dot = text.find('.');
  const auto whole = parse_decimal(text.substr(0, dot));
  const std::string_view decimals = dot == std::string_view::npos ? "" : text.substr(dot + 1);
  int64_t fraction = 0;
  int64_t weight = 100;
  for (char c : decimals) {
    if (!is_digit(c)) return wrong("\"" + std::string(text) + "\" is not a number");
    fraction += weight * (c - '0');
    weight /= 10;
  }
  if (!whole || *whole > 1'000'000'000) {
    return wrong("\"" + std::string(text) + "\" is not a number with up to three decimals");
  }
  return static_cast<int64_t>(*whole) * 1000 + fraction;
}

Result<Seconds> parse_time(std::string_view text) {
  int64_t total = 0;
  size_t i = 0;
  while (i < text.size()) {
    const size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    const auto count = parse_decimal(text.substr(begin, i - begin));
    const auto unit = i < text.size() ? seconds_of(text[i]) : std::nullopt;
    if (!count || !unit) {
      return wrong("\"" + std::string(text) +
                   "\" is not a time: numbers, each with w, d, h, m or s, without blanks");
    }
    if (*count > static_cast<uint64_t>(kTimeSecondsMax / *unit)) {
      return wrong("\"" + std::string(text) + "\" is too long a time");
    }
    total += static_cast<int64_t>(*count) * *unit;
    if (total > kTimeSecondsMax) return wrong("\"" + std::string(text) + "\" is too long a time");
    ++i;
  }
  if (text.empty()) return wrong("a time is missing");
  return Seconds{total};
}

size_t quoted_end(std::string_view text, size_t at) noexcept {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (text[at] == quote) return at + 1;
    if (quote == '"' && text[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

LocatedText read_escapes(const LocatedText& text) {
  LocatedText out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      at = append_escape(text, at + 1, out);
    } else {
      out.append(text[at], text.at(at));
      ++at;
    }
  }
  return out;
}

LocatedText unquote(const LocatedText& raw, std::optional<QuoteProblem>& problem) {
  problem.reset();
  const std::string_view text = raw.view();
  if (text.empty() || text.front() != '"') return raw;
  const size_t end = quoted_end(text, 0);
  if (end == std::string_view::npos) {
    problem = QuoteProblem{0, "missing quote at the end of the string"};
    return read_escapes(raw.substr(1));
  }
  LocatedText out = read_escapes(raw.substr(1, end - 2));
  const size_t rest = text.find_first_not_of(" \t", end);
  if (rest != std::string_view::npos) {
    problem = QuoteProblem{rest, "extra characters after the closing quote"};
  }
  return out;
}

char list_separator(std::string_view list, size_t& start) noexcept {
  size_t i = 0;
  while (i < list.size() && is_space(list[i])) ++i;
  start = i;
  if (i + 1 >= list.size() || list[i] != '<') return ':';
  const char c = list[i + 1];
  const auto byte = static_cast<unsigned char>(c);
  const bool control = byte < 0x20 || byte == 0x7f;
  const bool punctuation = byte > 0x20 && byte < 0x7f && !is_alnum(c);
  if (!control && !punctuation) return ':';
  start = i + 2;
  return c;
}

std::vector<LocatedText> split_list(const LocatedText& list) {
  std::vector<LocatedText> items;
  const std::string_view text = list.view();
  size_t i = 0;
  const char separator = list_separator(text, i);
  const bool doubling = static_cast<unsigned char>(separator) > 0x20;
  while (i < text.size()) {
    LocatedText item;
    size_t begin = i;
    bool ended = false;
    for (; i < text.size(); ++i) {
      if (text[i] != separator) continue;
      if (!doubling || i + 1 >= text.size() || text[i + 1] != separator) {
        ended = true;
        break;
      }
      // A doubled separator is one character of the item.
      item.append(list.substr(begin, i + 1 - begin));
      begin = ++i + 1;
    }
    item.append(list.substr(begin, i - begin));
    if (ended) ++i;
    // White space after the last separator is not an item.
    if (!ended && trim(item.view()).empty()) break;
    items.push_back(item.trimmed());
  }
  return items;
}

std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> out;
  for (const LocatedText& item : split_list(LocatedText(std::string(list)))) {
    out.push_back(item.text());
  }
  return out;
}

}  // namespace godwit::config
