#include "tests/support/dns_server.h"

#include "core/base/assert.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace godwit::test {
namespace {

constexpr int kTcpPatienceMillis = 2000;

int bind_loopback(int type, uint16_t port, Endpoint& bound) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  GODWIT_ASSERT(fd >= 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int room = 4 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_storage address{};
  socklen_t length = to_sockaddr({*IpAddress::parse("127.0.0.1"), port}, address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) {
    ::close(fd);
    return -1;
  }
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  bound = *from_sockaddr(reinterpret_cast<sockaddr*>(&address));
  return fd;
}

bool read_exactly(int fd, char* out, size_t size) {
  while (size > 0) {
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kTcpPatienceMillis) <= 0) return false;
    const ssize_t count = ::recv(fd, out, size, 0);
    if (count <= 0) return false;
    out += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

Endpoint deaf_endpoint() {
  Endpoint endpoint;
  ::close(bind_loopback(SOCK_DGRAM, 0, endpoint));
  return endpoint;
}

void DnsServer::start() {
  while (tcp_ < 0) {
    if (udp_ >= 0) ::close(udp_);
    udp_ = bind_loopback(SOCK_DGRAM, 0, endpoint_);
    Endpoint same;
    tcp_ = bind_loopback(SOCK_STREAM, endpoint_.port, same);
  }
  GODWIT_ASSERT(::listen(tcp_, 64) == 0);
  GODWIT_ASSERT(::pipe(stop_) == 0);
  thread_ = std::thread(&DnsServer::serve, this);
}

DnsServer::~DnsServer() {
  ::close(stop_[1]);
  thread_.join();
  for (int fd : {udp_, tcp_, stop_[0]}) ::close(fd);
}

void DnsServer::serve() {
  for (;;) {
    std::array<pollfd, 3> ready{{{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}, {stop_[0], POLLIN, 0}}};
    ::poll(ready.data(), ready.size(), -1);
    if (ready[2].revents != 0) return;
    if (ready[0].revents != 0) serve_udp();
    if (ready[1].revents != 0) serve_tcp();
  }
}

void DnsServer::serve_udp() {
  std::array<char, 4096> buffer;
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  const ssize_t count = ::recvfrom(udp_, buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
  if (count <= 0) return;
  const Query query{{buffer.data(), static_cast<size_t>(count)}, false, ++queries_};
  for (const std::string& bytes : script_->answer(query))
    ::sendto(udp_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
}

void DnsServer::serve_tcp() {
  const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  std::array<char, 2> prefix;
  std::array<char, 4096> buffer;
  if (read_exactly(fd, prefix.data(), prefix.size())) {
    const size_t size =
        static_cast<size_t>(static_cast<uint8_t>(prefix[0])) << 8 | static_cast<uint8_t>(prefix[1]);
    if (size <= buffer.size() && read_exactly(fd, buffer.data(), size)) {
      const Query query{{buffer.data(), size}, true, ++queries_};
      for (const std::string& bytes : script_->answer(query)) {
        std::string framed{static_cast<char>(bytes.size() >> 8),
                           static_cast<char>(bytes.size() & 0xff)};
        framed += bytes;
        ::send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
      }
    }
  }
  ::close(fd);
}

}  // namespace godwit::test
