#include "protocol/smtp/dot_stuff.h"

#include "core/base/byte_walk.h"

namespace godwit::smtp {
namespace {

constexpr std::string_view kDot = ".";
constexpr std::string_view kCrLf = "\r\n";
constexpr std::string_view kFinalDot = ".\r\n";

void add(std::vector<std::string_view>& segments, std::string_view text) {
  if (!text.empty()) segments.push_back(text);
}

}  // namespace

void DotStuffer::take(std::string_view piece, std::vector<std::string_view>& segments) {
  if (piece.empty()) return;
  if (canonical_) return take_canonical(piece, segments);
  size_t from = 0;  // what is not yet in `segments`
  size_t at = 0;
  if (cr_pending_) {
    cr_pending_ = false;
    segments.push_back(kCrLf);
    line_start_ = true;
    if (piece.front() == '\n') from = at = 1;
  }
  LineEndWalk ends(piece);
  while (at < piece.size()) {
    if (line_start_ && piece[at] == '.') {
      add(segments, piece.substr(from, at - from));
      segments.push_back(kDot);
      from = at;
    }
    line_start_ = false;
    const size_t end = ends.next(at);
    if (end == piece.size()) break;
    if (piece[end] == '\r' && end + 1 == piece.size()) {
      add(segments, piece.substr(from, end - from));
      cr_pending_ = true;
      return;
    }
    line_start_ = true;
    if (piece[end] == '\r' && piece[end + 1] == '\n') {
      at = end + 2;
      continue;
    }
    add(segments, piece.substr(from, end - from));
    segments.push_back(kCrLf);
    from = at = end + 1;
  }
  add(segments, piece.substr(from));
}

// Every LF ends a line, so a dot after LF (or at the start) is all that matters.
void DotStuffer::take_canonical(std::string_view piece, std::vector<std::string_view>& segments) {
  size_t from = 0;
  if (line_start_ && piece.front() == '.') segments.push_back(kDot);
  for (size_t at = piece.find("\n."); at != std::string_view::npos;
       at = piece.find("\n.", at + 1)) {
    add(segments, piece.substr(from, at + 1 - from));
    segments.push_back(kDot);
    from = at + 1;
  }
  add(segments, piece.substr(from));
  line_start_ = piece.back() == '\n';
}

void DotStuffer::finish(std::vector<std::string_view>& segments) {
  if (cr_pending_ || !line_start_) segments.push_back(kCrLf);
  cr_pending_ = false;
  line_start_ = true;
  segments.push_back(kFinalDot);
}

bool is_canonical(std::string_view message) noexcept {
  LineEndWalk ends(message);
  size_t at = 0;
  while ((at = ends.next(at)) < message.size()) {
    if (!message.substr(at).starts_with(kCrLf)) return false;
    at += kCrLf.size();
  }
  return true;
}

}  // namespace godwit::smtp
