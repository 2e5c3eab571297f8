// xtext of RFC 3461 4: "+XX" for what may not stand in an ESMTP value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace godwit::smtp {

// Nothing where the text is not xtext, or where it decodes to CR, LF or NUL: such a value would
// break out of whatever line it is written to later.
std::optional<std::string> decode_xtext(std::string_view text);
bool is_xtext(std::string_view text) noexcept;
void append_xtext(std::string& out, std::string_view text);

}  // namespace godwit::smtp
