#include "daemon/submission_input.h"

#include "core/io/clock.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace godwit::daemon {
namespace {

constexpr int64_t kPollMillisMax = 60'000;

}  // namespace

size_t find_end_dot(std::string_view input, size_t from) {
  for (size_t at = input.find('.', from); at != std::string_view::npos;
       at = input.find('.', at + 1)) {
    if (at > 0 && input[at - 1] != '\n') continue;
    const std::string_view rest = input.substr(at + 1);
    if (rest.starts_with('\n') || rest.starts_with("\r\n")) return at;
  }
  return std::string_view::npos;
}

Result<std::string> read_standard_input(const InputLimits& limits) {
  constexpr size_t kEndBytes = 4;  // of a line with a dot, which may come in pieces
  const SystemClock clock;
  const bool is_bounded = limits.timeout.count != 0;
  const Instant deadline = is_bounded ? clock.now() + Millis(limits.timeout) : Instant::never();
  std::string input;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    if (is_bounded) {
      const Millis left = deadline - clock.now();
      pollfd watched{STDIN_FILENO, POLLIN, 0};
      const auto wait = std::clamp<int64_t>(left.count, 0, kPollMillisMax);
      const int ready = ::poll(&watched, 1, static_cast<int>(wait));
      if (ready == 0 && left.count <= 0) return Error(Errc::timed_out, "standard input");
      if (ready <= 0) continue;
    }
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno(errno, "read standard input");
    if (got == 0) return input;
    const size_t from = input.size() - std::min(input.size(), kEndBytes);
    input.append(buffer.data(), static_cast<size_t>(got));
    if (limits.dot_ends && find_end_dot(input, from) != std::string::npos) return input;
    if (limits.bytes_max != 0 && input.size() > limits.bytes_max) return input;
  }
}

}  // namespace godwit::daemon
