#include "protocol/message/line_ends.h"

namespace godwit::message {

void append_with_crlf(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == '\n' && !out.ends_with('\r')) out += '\r';
    out += c;
  }
}

}  // namespace godwit::message
