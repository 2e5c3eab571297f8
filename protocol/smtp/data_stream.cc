#include "protocol/smtp/data_stream.h"

#include <algorithm>

namespace godwit::smtp {
namespace {

constexpr std::string_view kSpace = " ";
constexpr std::string_view kCr = "\r";
constexpr std::string_view kCrLf = "\r\n";

}  // namespace

DataStream::Step DataStream::take(std::string_view bytes) noexcept {
  if (state_ == State::ended) return {{}, 0, true};
  if (bytes.empty()) return {};
  switch (state_) {
    case State::line_start:
      if (bytes.front() == '.') {
        state_ = State::dot;
        return {{}, 1, false};
      }
      state_ = State::text;
      return take_text(bytes);
    case State::text:
      return take_text(bytes);
    case State::cr:
      return after_cr(bytes);
    case State::dot:
      return after_dot(bytes);
    case State::dot_cr:
      return after_dot_cr(bytes);
    case State::ended:
      break;
  }
  return {{}, 0, true};
}

// Text of one or more lines, up to a dot at the start of a line, a bare CR or LF that must be
// replaced, or a CR at the end of the input.
DataStream::Step DataStream::take_text(std::string_view bytes) noexcept {
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t cr = std::min(bytes.find('\r', at), bytes.size());
    const std::string_view line = bytes.substr(at, cr - at);
    const size_t lf = line.find('\n');
    if (lf != std::string_view::npos) {
      bare_seen_ = true;
      if (policy_ == BareLineEnds::replace) {
        if (at + lf == 0) return {kSpace, 1, false};
        return {bytes.substr(0, at + lf), at + lf, false};
      }
    }
    at = cr;
    if (at == bytes.size()) break;
    if (at + 1 == bytes.size()) {
      state_ = State::cr;
      return {bytes.substr(0, at), at + 1, false};
    }
    if (bytes[at + 1] != '\n') {
      bare_seen_ = true;
      if (policy_ == BareLineEnds::replace) {
        if (at == 0) return {kSpace, 1, false};
        return {bytes.substr(0, at), at, false};
      }
      ++at;
      continue;
    }
    at += kCrLf.size();
    if (at == bytes.size() || bytes[at] == '.') {
      state_ = State::line_start;
      return {bytes.substr(0, at), at, false};
    }
  }
  return {bytes, bytes.size(), false};
}

DataStream::Step DataStream::after_cr(std::string_view bytes) noexcept {
  if (bytes.front() == '\n') {
    state_ = State::line_start;
    return {kCrLf, 1, false};
  }
  return bare(kCr);
}

// After a dot that starts a line. RFC 5321 4.5.2: it is dropped, whatever follows, unless CRLF
// does.
DataStream::Step DataStream::after_dot(std::string_view bytes) noexcept {
  if (bytes.front() == '\r') {
    state_ = State::dot_cr;
    return {{}, 1, false};
  }
  state_ = State::text;
  return take_text(bytes);
}

DataStream::Step DataStream::after_dot_cr(std::string_view bytes) noexcept {
  if (bytes.front() == '\n') {
    state_ = State::ended;
    return {{}, 1, true};
  }
  return bare(kCr);
}

// A CR that was held back is not part of a line end. What follows it is inside the line.
DataStream::Step DataStream::bare(std::string_view kept) noexcept {
  bare_seen_ = true;
  state_ = State::text;
  return {policy_ == BareLineEnds::replace ? kSpace : kept, 0, false};
}

void BareLineEndFinder::feed(std::string_view bytes) noexcept {
  if (bytes.empty() || found_) return;
  // Every LF must follow a CR, and there must be no further CR.
  size_t returns = ends_in_cr_ ? 1 : 0;
  returns += static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\r'));
  size_t pairs = 0;
  char before = ends_in_cr_ ? '\r' : '\0';
  for (size_t at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    if (at > 0) before = bytes[at - 1];
    if (before != '\r') found_ = true;
    before = '\0';
    ++pairs;
  }
  ends_in_cr_ = bytes.back() == '\r';
  if (returns != pairs + (ends_in_cr_ ? 1 : 0)) found_ = true;
}

}  // namespace godwit::smtp
