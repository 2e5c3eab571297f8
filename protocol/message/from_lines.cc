#include "protocol/message/from_lines.h"

#include "core/base/ascii.h"

namespace godwit::message {
namespace {

std::string_view without_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Offset behind the line that starts `text`, with its folded lines; npos: its end has not come.
size_t folded_line_end(std::string_view text) noexcept {
  size_t end = text.find('\n');
  const bool is_empty_line = end == 0 || (end == 1 && text.front() == '\r');
  if (is_empty_line) return end + 1;
  while (end != std::string_view::npos && end + 1 < text.size() && is_blank(text[end + 1]))
    end = text.find('\n', end + 1);
  const bool is_open = end == std::string_view::npos || end + 1 == text.size();
  return is_open ? std::string_view::npos : end + 1;
}

}  // namespace

bool FromLines::takes(std::string_view line) {
  if (line.size() > kFromLineBytesMax) return false;
  line = without_end(line);
  if (line.empty() || !matcher_->matches(line)) return false;
  last_ = line;
  return true;
}

std::string_view FromLines::look(std::string_view bytes) {
  kept_ += bytes;
  size_t start = 0;
  for (;;) {
    const std::string_view rest = std::string_view(kept_).substr(start);
    const size_t end = folded_line_end(rest);
    if (end == std::string_view::npos && rest.size() <= kFromLineBytesMax) {
      kept_.erase(0, start);
      return {};
    }
    if (end != std::string_view::npos && takes(rest.substr(0, end))) {
      start += end;
      continue;
    }
    is_past_ = true;
    kept_.erase(0, start);
    return kept_;
  }
}

std::string_view FromLines::finish() {
  if (is_past_) return {};
  is_past_ = true;
  if (takes(kept_)) kept_.clear();
  return kept_;
}

}  // namespace godwit::message
