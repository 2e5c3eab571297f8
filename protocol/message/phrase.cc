#include "protocol/message/phrase.h"

#include "core/base/ascii.h"
#include "protocol/message/address_syntax.h"
#include "protocol/message/limits.h"

#include <algorithm>

namespace godwit::message {
namespace {

constexpr size_t kEncodedWordBytesMax = 75;  // RFC 2047 2
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

// RFC 2047 5 (3): what may stand for itself in an encoded word of a phrase.
constexpr bool is_plain(char c) noexcept {
  return is_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

constexpr bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

void append_encoded(std::string& out, char c) {
  if (is_plain(c)) {
    out += c;
  } else if (c == ' ') {
    out += '_';
  } else {
    const auto byte = static_cast<unsigned char>(c);
    out += '=';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
}

// Encoded words, none longer than it may be, none with part of a UTF-8 character.
std::string encode_words(std::string_view text) {
  const bool utf8 = is_utf8(text);
  const std::string start = utf8 ? "=?utf-8?Q?" : "=?iso-8859-1?Q?";
  std::string out = start;
  size_t word = 0;  // where the current one starts
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    while (utf8 && end < text.size() && is_continuation(text[end])) ++end;
    std::string piece;
    for (; at < end; ++at) append_encoded(piece, text[at]);
    if (out.size() - word + piece.size() + 2 > kEncodedWordBytesMax) {
      out += "?= ";
      word = out.size();
      out += start;
    }
    out += piece;
  }
  return out + "?=";
}

}  // namespace

std::string encode_phrase(std::string_view name) {
  std::string text;
  bool has_8bit = false;
  for (const char c : trim(name)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) continue;
    has_8bit = has_8bit || byte >= 0x80;
    text += c;
  }
  if (text.size() > kDisplayBytesMax) {
    size_t end = kDisplayBytesMax;
    while (end > 0 && has_8bit && is_continuation(text[end])) --end;
    text.resize(end);
  }
  if (trim(text).empty()) return {};
  if (has_8bit) return encode_words(text);
  const bool is_atoms =
      std::all_of(text.begin(), text.end(), [](char c) { return is_atext(c) || c == ' '; });
  // "=?" in a plain phrase would be read as an encoded word.
  if (is_atoms && text.find("=?") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace godwit::message
