#include "bench/sink/data_scanner.h"

#include <string.h>

namespace godwit::bench {
namespace {

constexpr std::string_view kReturn = "\r";

std::string_view take(std::string_view& input, size_t count) noexcept {
  const std::string_view piece = input.substr(0, count);
  input.remove_prefix(count);
  return piece;
}

}  // namespace

std::string_view DataScanner::next(std::string_view& input) noexcept {
  const char first = input.front();
  switch (state_) {
    case State::line_start:
      if (first == '.') {
        state_ = State::saw_dot;
        input.remove_prefix(1);
        return {};
      }
      return in_line(input);
    case State::in_line:
      return in_line(input);
    case State::saw_cr:
      if (first != '\n') return in_line(input);
      state_ = State::line_start;
      return take(input, 1);
    case State::saw_dot:
      if (first != '\r') return in_line(input);
      state_ = State::saw_dot_cr;
      input.remove_prefix(1);
      return {};
    case State::saw_dot_cr:
      if (first == '\n') {
        state_ = State::done;
        input.remove_prefix(1);
        return {};
      }
      // The CR after the dot was content after all.
      state_ = first == '\r' ? State::saw_cr : State::in_line;
      if (first == '\r') input.remove_prefix(1);
      return kReturn;
    case State::done:
      return {};
  }
  return {};
}

std::string_view DataScanner::in_line(std::string_view& input) noexcept {
  const void* found = ::memmem(input.data(), input.size(), "\r\n.", 3);
  if (found != nullptr) {
    const auto at = static_cast<size_t>(static_cast<const char*>(found) - input.data());
    const std::string_view piece = take(input, at + 2);
    input.remove_prefix(1);
    state_ = State::saw_dot;
    return piece;
  }
  state_ = input.ends_with("\r\n") ? State::line_start
           : input.ends_with('\r') ? State::saw_cr
                                   : State::in_line;
  return take(input, input.size());
}

}  // namespace godwit::bench
