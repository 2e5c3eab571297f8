// Token: the name that a test message carries in its X-Godwit-Token header. The sink finds there
// what the body must be; the ledgers of source and sink are joined by it. Its text has a fixed
// width, so that the source can write it over the last one in a prepared message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::bench {

inline constexpr std::string_view kTokenHeader = "X-Godwit-Token:";

struct Token {
  uint32_t run = 0;       // one run of the source
  uint32_t session = 0;   // the source's session, 0 .. 99999
  uint64_t sequence = 0;  // of the run, 0 .. 9999999999
  uint64_t length = 0;    // bytes of the body, with CRLF line ends and without stuffed dots
  uint32_t crc = 0;       // CRC-32C of the body

  bool operator==(const Token&) const = default;
};

inline constexpr uint32_t kTokenSessionsMax = 100'000;
inline constexpr size_t kTokenChars = 8 + 1 + 5 + 1 + 10 + 1 + 9 + 1 + 8;

// Writes exactly kTokenChars: run-session-sequence-length-crc.
void write_token(const Token& token, char* out) noexcept;
std::string to_string(const Token& token);
std::optional<Token> parse_token(std::string_view text) noexcept;

// `value` in decimal with leading zeros, exactly `width` characters.
void write_digits(char* out, size_t width, uint64_t value) noexcept;

}  // namespace godwit::bench
