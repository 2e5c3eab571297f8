// FromLines: takes "From user date" lines off the start of a message, where mailboxes and UUCP put
// them before the header section (EXIM.md 4.1). Bytes in, bytes out, in pieces of any size.
// Used by: the SMTP server engine, the submission of local processes.
// Lifetime: what it gives is a piece of what it was given, or its own until the next call.
// Errors: none; what is no such line stays where it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace godwit::message {

// What says which lines these are: uucp_from_pattern.
class LineMatcher {
 public:
  virtual ~LineMatcher() = default;
  // `line` has its folded lines, and no line end at its end.
  virtual bool matches(std::string_view line) const = 0;
};

// With its folded lines and its line end. A longer one is none.
inline constexpr size_t kFromLineBytesMax = 8 * 1024;

class FromLines {
 public:
  // Null: no line is taken. `matcher` outlives this.
  explicit FromLines(const LineMatcher* matcher)
      : matcher_(matcher), is_past_(matcher == nullptr) {}

  // What stays of the next bytes of the message, and of those that were kept back before.
  std::string_view feed(std::string_view bytes) { return is_past_ ? bytes : look(bytes); }
  // The message is over: what was kept back.
  std::string_view finish();
  // The last line that was taken; empty: none.
  const std::string& last() const noexcept { return last_; }

 private:
  std::string_view look(std::string_view bytes);
  bool takes(std::string_view line);

  const LineMatcher* matcher_;
  bool is_past_;
  std::string kept_;
  std::string last_;
};

}  // namespace godwit::message
