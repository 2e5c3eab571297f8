// Line ends: text that was written here, with LF, as it goes into a message.
#pragma once

#include <string>
#include <string_view>

namespace godwit::message {

// Appends `text` with every LF as CRLF; one that has its CR already stays.
void append_with_crlf(std::string_view text, std::string& out);

}  // namespace godwit::message
