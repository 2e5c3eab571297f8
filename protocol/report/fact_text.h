// Facts as lines of a report. Whatever a fact holds, it cannot end its line, start another field or
// make a line too long: control characters become spaces or "?", and so do bytes over 0x7f, unless
// the report is internationalized and they are UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace godwit::report {

inline constexpr std::string_view kLineEnd = "\r\n";

// `fact` on one line, at most `bytes_max` long.
std::string one_line(std::string_view fact, bool utf8, size_t bytes_max);

struct LineShape {
  std::string_view lead;      // starts every line but the first
  size_t width = 0;           // lines are parted at the last space before it
  size_t column = 0;          // bytes that the first line has already
  bool spelled_ends = false;  // the two characters "\n" part lines too
  bool utf8 = false;
  size_t bytes_max = 0;         // of `text`; the rest is left out
  std::string_view cut_notice;  // put where something was left out
};
// Appends `text` in lines; no line is empty, the last one has no end.
void append_lines(std::string& out, std::string_view text, const LineShape& shape);

// Text that came from a message: every line end as CRLF, no NUL; lines over `line_bytes_max` are
// cut. Ends with a line end where it is not empty.
std::string wire_text(std::string_view text, size_t line_bytes_max);
size_t longest_line(std::string_view text) noexcept;
bool has_8bit(std::string_view text) noexcept;

}  // namespace godwit::report
