// Syntax of domains, local parts and mailboxes: RFC 5321 4.1.2, RFC 6531 3.3.
// What it is: pure checks on views, shared by SMTP paths and header addresses. Nothing is resolved.
// Used by: protocol/smtp (MAIL, RCPT, EHLO), address_list.h, rewriting, routers.
#pragma once

#include "core/base/ascii.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace godwit::message {

// Whether bytes over 0x7f are text. They must be well-formed UTF-8 then.
enum class Utf8 : bool { refused, allowed };

// True for well-formed UTF-8: no overlong form, no surrogate, nothing over U+10FFFF (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

// The characters of an atom, RFC 5322 3.2.3.
inline constexpr std::array<bool, 256> kIsAtext = [] {
  std::array<bool, 256> table{};
  for (unsigned byte = 0; byte < 128; ++byte) {
    const char c = static_cast<char>(byte);
    table[byte] =
        is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
  }
  return table;
}();
constexpr bool is_atext(char c) noexcept {
  return kIsAtext[static_cast<unsigned char>(c)];
}

// "example.org", one label is enough, no trailing dot. Underscores pass: they exist in the field.
bool is_domain(std::string_view text, Utf8 utf8) noexcept;
// "[192.0.2.1]", "[IPv6:2001:db8::1]" with its brackets. Also "[2001:db8::1]", which Exim takes.
bool is_address_literal(std::string_view text);
// "a.b.c": atoms parted by single dots.
bool is_dot_string(std::string_view text, Utf8 utf8) noexcept;
// "\"a b\\\"c\"" with its quotes; printable characters and quoted pairs only.
bool is_quoted_string(std::string_view text, Utf8 utf8) noexcept;
// Either of both, at most kLocalPartBytesMax.
bool is_local_part(std::string_view text, Utf8 utf8) noexcept;

// The parts of an address as views into it. `domain` is empty where there is no "@".
struct AddressParts {
  std::string_view local_part;
  std::string_view domain;
};
// Splits at the last "@" that is outside quotes. Does not check syntax.
AddressParts split_address(std::string_view address) noexcept;

// The local part as an expansion sees it: without quotes and backslashes where it had them.
// A text that does not begin with a quote comes back as it is.
std::string unquote_local_part(std::string_view local_part);
// The local part for the wire: quoted where it is not a dot-string.
std::string quote_local_part(std::string_view local_part);

}  // namespace godwit::message
