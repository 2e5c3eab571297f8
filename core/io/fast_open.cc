#include "core/io/fast_open.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace godwit {
namespace {

// Bits of the sysctl.
constexpr int kAsClient = 1;
constexpr int kAsServer = 2;
// Of tcp_info: data came with the first packet; a socket that a first packet with cookie made
// (since Linux 6.12).
constexpr int kOptionFirstData = 1 << 5;
constexpr int kOptionFromFirst = 1 << 7;

int read_allowed() noexcept {
  const int fd = ::open("/proc/sys/net/ipv4/tcp_fastopen", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[16] = {};
  const ssize_t count = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  return count > 0 ? static_cast<int>(std::strtol(text, nullptr, 10)) : 0;
}

int allowed() noexcept {
  static const int bits = read_allowed();
  return bits;
}

tcp_info info_of(int descriptor) noexcept {
  tcp_info info{};
  socklen_t length = sizeof info;
  ::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length);
  return info;
}

}  // namespace

bool may_fast_open() noexcept {
  return (allowed() & kAsClient) != 0;
}

bool may_accept_fast_open() noexcept {
  return (allowed() & kAsServer) != 0;
}

void request_fast_open(int descriptor) noexcept {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
}

void accept_fast_open(int descriptor, int queue) noexcept {
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue);
}

FastOpen accepted_fast_open(int descriptor) noexcept {
  const tcp_info info = info_of(descriptor);
  if ((info.tcpi_options & kOptionFirstData) != 0) return FastOpen::with_data;
  const bool is_unconfirmed = info.tcpi_state == TCP_SYN_RECV;
  const bool is_from_first = (info.tcpi_options & kOptionFromFirst) != 0;
  return is_unconfirmed || is_from_first ? FastOpen::used : FastOpen::no;
}

bool is_connecting(int descriptor) noexcept {
  return info_of(descriptor).tcpi_state == TCP_SYN_SENT;
}

bool is_first_data_taken(int descriptor) noexcept {
  return (info_of(descriptor).tcpi_options & kOptionFirstData) != 0;
}

}  // namespace godwit
