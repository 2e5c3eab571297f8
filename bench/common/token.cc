#include "bench/common/token.h"

#include "core/base/ascii.h"

namespace godwit::bench {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void write_hex(char* out, uint32_t value) noexcept {
  for (int i = 7; i >= 0; --i) {
    out[i] = kHexDigits[value & 15];
    value >>= 4;
  }
}

std::optional<uint32_t> parse_hex(std::string_view text) noexcept {
  uint32_t value = 0;
  for (const char c : text) {
    if (!is_hex(c)) return std::nullopt;
    value = value << 4 | static_cast<uint32_t>(hex_value(c));
  }
  return value;
}

}  // namespace

void write_digits(char* out, size_t width, uint64_t value) noexcept {
  for (size_t i = width; i > 0; --i) {
    out[i - 1] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

void write_token(const Token& token, char* out) noexcept {
  write_hex(out, token.run);
  out[8] = '-';
  write_digits(out + 9, 5, token.session);
  out[14] = '-';
  write_digits(out + 15, 10, token.sequence);
  out[25] = '-';
  write_digits(out + 26, 9, token.length);
  out[35] = '-';
  write_hex(out + 36, token.crc);
}

std::string to_string(const Token& token) {
  std::string text(kTokenChars, ' ');
  write_token(token, text.data());
  return text;
}

std::optional<Token> parse_token(std::string_view text) noexcept {
  if (text.size() != kTokenChars) return std::nullopt;
  if (text[8] != '-' || text[14] != '-' || text[25] != '-' || text[35] != '-') return std::nullopt;
  const auto run = parse_hex(text.substr(0, 8));
  const auto session = parse_decimal(text.substr(9, 5));
  const auto sequence = parse_decimal(text.substr(15, 10));
  const auto length = parse_decimal(text.substr(26, 9));
  const auto crc = parse_hex(text.substr(36, 8));
  if (!run || !session || !sequence || !length || !crc) return std::nullopt;
  return Token{*run, static_cast<uint32_t>(*session), *sequence, *length, *crc};
}

}  // namespace godwit::bench
