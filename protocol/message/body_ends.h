// BodyEnds: what $message_body and $message_body_end show of a body that goes by in pieces.
// Used by: SMTP sessions, submission, deliveries. Keeps a few hundred bytes of either end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::message {

class BodyEnds {
 public:
  // `visible`: message_body_visible, at most kBodyVisibleMax.
  explicit BodyEnds(int64_t visible);

  // The next bytes of the body, in wire format.
  void feed(std::string_view wire);
  // Bytes of the end that feed() keeps; what is before them need not be fed but for the start.
  size_t room() const noexcept { return room_; }

  // Lines end in LF, or in a blank; NUL is a blank too.
  std::string start(bool newlines) const;
  std::string end(bool newlines) const;

 private:
  size_t visible_;
  size_t room_;  // of wire format: CRLF becomes one character
  std::string start_;
  std::string end_;
};

}  // namespace godwit::message
