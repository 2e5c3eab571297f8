#include "protocol/message/address_syntax.h"

#include "core/base/ascii.h"
#include "core/base/ip_address.h"
#include "protocol/message/limits.h"

#include <array>

namespace godwit::message {
namespace {

constexpr bool is_8bit(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}
constexpr bool is_printable(char c) noexcept {
  return c >= ' ' && c <= '~';
}

// Letters, digits, hyphens and underscores.
constexpr auto kIsOfLabel = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 128; ++c) {
    const char of = static_cast<char>(c);
    table[static_cast<size_t>(c)] = is_alnum(of) || of == '-' || of == '_';
  }
  return table;
}();

bool text_is_legal(std::string_view text, Utf8 utf8) noexcept {
  for (const char c : text) {
    if (is_8bit(c)) return utf8 == Utf8::allowed && is_utf8(text);
  }
  return true;
}

bool is_domain_label(std::string_view label) noexcept {
  if (label.empty() || label.size() > kDomainLabelBytesMax) return false;
  return label.front() != '-' && label.back() != '-';
}

// Bytes of the UTF-8 sequence that `lead` starts; 0 where it starts none.
constexpr size_t sequence_bytes(unsigned char lead) noexcept {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

// RFC 3629 4: the second byte is narrower after these leads (overlong, surrogate, over U+10FFFF).
constexpr bool is_second_byte(unsigned char lead, unsigned char c) noexcept {
  if (lead == 0xe0) return c >= 0xa0 && c <= 0xbf;
  if (lead == 0xed) return c >= 0x80 && c <= 0x9f;
  if (lead == 0xf0) return c >= 0x90 && c <= 0xbf;
  if (lead == 0xf4) return c >= 0x80 && c <= 0x8f;
  return c >= 0x80 && c <= 0xbf;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t bytes = sequence_bytes(lead);
    if (bytes == 0 || at + bytes > text.size()) return false;
    for (size_t n = 1; n < bytes; ++n) {
      const auto c = static_cast<unsigned char>(text[at + n]);
      if (n == 1 ? !is_second_byte(lead, c) : (c & 0xc0) != 0x80) return false;
    }
    at += bytes;
  }
  return true;
}

bool is_domain(std::string_view text, Utf8 utf8) noexcept {
  if (text.empty() || text.size() > kDomainBytesMax) return false;
  bool is_ascii = true;
  size_t label = 0;  // where it begins
  for (size_t i = 0; i < text.size(); ++i) {
    if (kIsOfLabel[static_cast<unsigned char>(text[i])]) continue;
    if (text[i] == '.') {
      if (!is_domain_label(text.substr(label, i - label))) return false;
      label = i + 1;
    } else if (is_8bit(text[i])) {
      is_ascii = false;
    } else {
      return false;
    }
  }
  return is_domain_label(text.substr(label)) && (is_ascii || text_is_legal(text, utf8));
}

bool is_address_literal(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  text = text.substr(1, text.size() - 2);
  constexpr std::string_view kTag = "IPv6:";
  if (starts_with_ignore_case(text, kTag)) {
    const Result<IpAddress> address = IpAddress::parse(text.substr(kTag.size()));
    return address && address->is_v6();
  }
  return IpAddress::parse(text).has_value();
}

bool is_dot_string(std::string_view text, Utf8 utf8) noexcept {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  bool is_ascii = true;
  char before = '\0';
  for (const char c : text) {
    if (!is_atext(c)) {
      if (is_8bit(c)) {
        is_ascii = false;
      } else if (c != '.' || before == '.') {
        return false;
      }
    }
    before = c;
  }
  return is_ascii || text_is_legal(text, utf8);
}

bool is_quoted_string(std::string_view text, Utf8 utf8) noexcept {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
  const std::string_view inner = text.substr(1, text.size() - 2);
  for (size_t at = 0; at < inner.size(); ++at) {
    if (inner[at] == '"') return false;
    if (inner[at] == '\\' && ++at == inner.size()) return false;
    if (!is_printable(inner[at]) && !is_8bit(inner[at])) return false;
  }
  return text_is_legal(text, utf8);
}

bool is_local_part(std::string_view text, Utf8 utf8) noexcept {
  if (text.size() > kLocalPartBytesMax) return false;
  if (is_quoted_string(text, utf8)) return true;
  for (const char c : text) {
    if (c != '.' && !is_atext(c) && !is_8bit(c)) return false;
  }
  return !text.empty() && text_is_legal(text, utf8);
}

AddressParts split_address(std::string_view address) noexcept {
  // An "@" inside quotes is before the last one that is outside, unless there is none outside.
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {address, {}};
  if (address.find('"', at) != std::string_view::npos) return {address, {}};
  return {address.substr(0, at), address.substr(at + 1)};
}

std::string unquote_local_part(std::string_view local_part) {
  if (!local_part.starts_with('"')) return std::string(local_part);
  std::string plain;
  plain.reserve(local_part.size());
  for (size_t at = 0; at < local_part.size(); ++at) {
    if (local_part[at] == '"') continue;
    if (local_part[at] == '\\' && at + 1 < local_part.size()) ++at;
    plain.push_back(local_part[at]);
  }
  return plain;
}

std::string quote_local_part(std::string_view local_part) {
  if (is_dot_string(local_part, Utf8::allowed)) return std::string(local_part);
  std::string quoted = "\"";
  for (const char c : local_part) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace godwit::message
