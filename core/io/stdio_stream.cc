#include "core/io/stdio_stream.h"

#include "core/io/clock.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace godwit {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr int64_t kPollMillisMax = 60'000;

}  // namespace

// True where the deadline passes before there is anything to read.
bool StdioStream::waits_in_vain() const {
  if (deadline_ == Instant::never()) return false;
  for (;;) {
    const Millis left = deadline_ - clock_.now();
    pollfd watched{STDIN_FILENO, POLLIN, 0};
    const int ready =
        ::poll(&watched, 1, static_cast<int>(std::clamp<int64_t>(left.count, 0, kPollMillisMax)));
    if (ready > 0) return false;
    if (left.count <= 0) return true;
  }
}

bool StdioStream::try_read() {
  if (closed_) {
    set_read_error(Error(Errc::cancelled, "the session is closed"));
    return true;
  }
  if (waits_in_vain()) {
    set_read_error(Error(Errc::timed_out, "standard input"));
    return true;
  }
  buffer_.resize(kBufferBytes);
  ssize_t got = 0;
  do {
    got = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    set_read_error(error_from_errno(errno, "read standard input"));
  } else {
    lines_.clear();
    for (char c : std::string_view(buffer_).substr(0, static_cast<size_t>(got))) {
      if (c == '\n' && !ended_in_cr_) lines_ += '\r';
      lines_ += c;
      ended_in_cr_ = c == '\r';
    }
    set_read(lines_);
  }
  return true;
}

bool StdioStream::try_write(std::span<const std::string_view> parts) {
  if (silent_ || closed_) return true;
  for (std::string_view part : parts) {
    while (!part.empty()) {
      const ssize_t n = ::write(STDOUT_FILENO, part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        set_write_error(error_from_errno(errno, "write standard output"));
        return true;
      }
      part.remove_prefix(static_cast<size_t>(n));
    }
  }
  return true;
}

}  // namespace godwit
