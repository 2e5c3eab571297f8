// DataScanner: finds the end of a message after DATA and takes out the stuffed dots. Only
// CRLF.CRLF ends a message. Bytes in, pieces out; keeps no content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace godwit::bench {

class DataScanner {
 public:
  void start() noexcept { state_ = State::line_start; }

  // Takes bytes from the front of `input` and gives a piece of the message, which may be empty.
  // To be called until is_done() or the input is empty.
  std::string_view next(std::string_view& input) noexcept;
  bool is_done() const noexcept { return state_ == State::done; }

 private:
  enum class State : uint8_t { line_start, in_line, saw_cr, saw_dot, saw_dot_cr, done };

  std::string_view in_line(std::string_view& input) noexcept;

  State state_ = State::line_start;
};

}  // namespace godwit::bench
