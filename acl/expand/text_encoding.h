// Character sets and encoded words: UTF-8 repair, conversion through iconv, RFC 2047 both ways,
// and the punycode of local parts (RFC 3492). Used by header variables and operators.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

// Bytes that are not UTF-8 as "?".
std::string repair_utf8(std::string_view text);
// To ISO-8859-1; what has no place there becomes "_".
std::string latin1_of(std::string_view utf8);
// Nothing where iconv does not know a charset or the bytes do not fit it.
std::optional<std::string> convert_charset(std::string_view bytes, const std::string& from,
                                           const std::string& to);

// RFC 2047 words decoded. `charset` empty: bytes as they are, without conversion.
std::string decode_words(std::string_view text, const std::string& charset, bool check_length);
// As one or more encoded words of `charset`; plain text stays as it is.
void append_encoded_words(std::string_view text, std::string_view charset, std::string& out);

// "xn--..." of a text in UTF-8, and back. Nothing where it is not well-formed.
std::optional<std::string> to_punycode(std::string_view utf8);
std::optional<std::string> from_punycode(std::string_view ascii);
// An address in ASCII: the domain as A-labels, the local part in the same way. Nothing where it
// cannot be.
std::optional<std::string> address_to_ascii(std::string_view address);

}  // namespace godwit::acl
