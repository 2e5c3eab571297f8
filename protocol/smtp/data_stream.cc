#include "protocol/smtp/data_stream.h"

#include "core/base/byte_walk.h"

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
  LineEndWalk ends(bytes);
  for (size_t at = ends.next(0); at < bytes.size(); at = ends.next(at)) {
    const bool is_cr = bytes[at] == '\r';
    if (is_cr && at + 1 == bytes.size()) {
      state_ = State::cr;
      return {bytes.substr(0, at), at + 1, false};
    }
    if (!is_cr || bytes[at + 1] != '\n') {
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
  size_t at = 0;
  if (ends_in_cr_) {
    ends_in_cr_ = false;
    found_ = bytes.front() != '\n';
    at = 1;
  }
  LineEndWalk ends(bytes);
  while (!found_ && (at = ends.next(at)) < bytes.size()) {
    ends_in_cr_ = bytes[at] == '\r' && at + 1 == bytes.size();
    found_ = !ends_in_cr_ && !bytes.substr(at).starts_with(kCrLf);
    at += kCrLf.size();
  }
}

}  // namespace godwit::smtp
