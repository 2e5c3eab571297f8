// DataStream: the bytes after 354, unstuffed. Only CRLF "." CRLF ends them, however the input is
// cut (RFC 5321 4.1.1.4, 4.5.2); no other sequence of CR, LF and dots does.
// Lifetime: keeps at most two bytes of state and no text; what it yields points into its input, or
// to constant text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace godwit::smtp {

// What to do with a CR or LF that is not part of a CRLF.
enum class BareLineEnds : uint8_t {
  reject,   // take the data to its true end, then refuse it
  replace,  // each becomes a space
  keep,     // leave it; what is sent on is made canonical by DotStuffer
};

// Looks for a CR or LF that is not part of a CRLF in the octets of BDAT, which are taken as they
// are: whoever sends the message on must know that it has to be made canonical.
class BareLineEndFinder {
 public:
  void feed(std::string_view bytes) noexcept;
  // After the last bytes: a CR at their very end is bare too.
  bool found() const noexcept { return found_ || ends_in_cr_; }

 private:
  bool found_ = false;
  bool ends_in_cr_ = false;
};

class DataStream {
 public:
  explicit DataStream(BareLineEnds policy) noexcept : policy_(policy) {}

  struct Step {
    std::string_view text;  // message bytes, CRLF kept; may be empty where bytes were taken in
    size_t consumed = 0;    // from the start of the input
    bool ended = false;     // the final dot was consumed
  };
  // The next piece. Call again with the rest of the input until it is used up or `ended`.
  Step take(std::string_view bytes) noexcept;

  // A bare CR or LF was seen.
  bool bare_seen() const noexcept { return bare_seen_; }

 private:
  enum class State : uint8_t {
    line_start,  // after CRLF, or at the start
    text,        // inside a line
    cr,          // inside a line, after a CR that is held back
    dot,         // a dot at the start of a line, held back
    dot_cr,      // such a dot and a CR, both held back
    ended,
  };

  Step take_text(std::string_view bytes) noexcept;
  Step after_cr(std::string_view bytes) noexcept;
  Step after_dot(std::string_view bytes) noexcept;
  Step after_dot_cr(std::string_view bytes) noexcept;
  Step bare(std::string_view kept) noexcept;

  BareLineEnds policy_;
  State state_ = State::line_start;
  bool bare_seen_ = false;
};

}  // namespace godwit::smtp
