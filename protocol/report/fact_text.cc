#include "protocol/report/fact_text.h"

#include "core/base/ascii.h"
#include "protocol/message/address_syntax.h"
#include "protocol/report/limits.h"

#include <algorithm>

namespace godwit::report {
namespace {

constexpr bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// The first `bytes_max` bytes, without half a UTF-8 character at the end.
std::string_view cut(std::string_view text, size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && bytes_max - end < 4 && is_continuation(text[end])) --end;
  return text.substr(0, end);
}

char plain_character(char c, bool keeps_8bit) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x80) return keeps_8bit ? c : '?';
  if (is_space(c)) return ' ';
  return byte < 0x20 || byte == 0x7f ? '?' : c;
}

// Takes the next line off `text`. Lines end in CR, LF, CRLF, or the two characters "\n".
std::string_view take_line(std::string_view& text, bool spelled_ends) noexcept {
  size_t at = 0;
  size_t end_bytes = 0;
  for (; at < text.size(); ++at) {
    const std::string_view next = text.substr(at, 2);
    if (next == "\r\n" || (spelled_ends && next == "\\n")) {
      end_bytes = 2;
    } else if (next.front() == '\r' || next.front() == '\n') {
      end_bytes = 1;
    }
    if (end_bytes != 0) break;
  }
  const std::string_view line = text.substr(0, at);
  text.remove_prefix(at + end_bytes);
  return line;
}

// How much of `line` goes on one line of `room` bytes.
size_t fitting_bytes(std::string_view line, size_t room) noexcept {
  if (line.size() <= room) return line.size();
  const size_t space = line.rfind(' ', room);
  if (space != std::string_view::npos && space != 0) return space;
  const size_t next_space = line.find(' ', room);
  return std::min({line.size(), next_space, kFactBytesMax});
}

}  // namespace

std::string one_line(std::string_view fact, bool utf8, size_t bytes_max) {
  const std::string_view part = cut(trim(fact), bytes_max);
  const bool keeps_8bit = utf8 && message::is_utf8(part);
  std::string out(part);
  for (char& c : out) c = plain_character(c, keeps_8bit);
  return out;
}

void append_lines(std::string& out, std::string_view text, const LineShape& shape) {
  const bool is_cut = text.size() > shape.bytes_max;
  std::string_view left = cut(text, shape.bytes_max);
  size_t column = shape.column;
  bool first = true;
  while (!left.empty()) {
    const std::string line =
        one_line(take_line(left, shape.spelled_ends), shape.utf8, left.max_size());
    std::string_view rest = line;
    while (!rest.empty()) {
      if (!first) {
        out += kLineEnd;
        out += shape.lead;
        column = shape.lead.size();
      }
      first = false;
      const size_t room = shape.width > column + 1 ? shape.width - column : 1;
      std::string_view piece = cut(rest, fitting_bytes(rest, room));
      if (piece.empty()) piece = rest.substr(0, 1);
      out += trim_right(piece);
      rest = trim_left(rest.substr(piece.size()));
    }
  }
  if (is_cut) out += shape.cut_notice;
}

std::string wire_text(std::string_view text, size_t line_bytes_max) {
  std::string out;
  out.reserve(text.size() + 2);
  while (!text.empty()) {
    const std::string_view line = take_line(text, false);
    out += line.substr(0, line_bytes_max);
    out += kLineEnd;
  }
  std::replace(out.begin(), out.end(), '\0', '?');
  return out;
}

size_t longest_line(std::string_view text) noexcept {
  size_t longest = 0;
  while (!text.empty()) longest = std::max(longest, take_line(text, false).size());
  return longest;
}

bool has_8bit(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace godwit::report
