#include "core/io/listener.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <vector>

namespace godwit {

struct Listener::Handle {
  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
};

struct ListenerCallbacks {
  static void on_connection(uv_stream_t* server, int status) noexcept {
    auto* listener = static_cast<Listener*>(server->data);
    if (status < 0) {
      listener->handler_.on_accept_error(error_from_errno(-status, "accept"));
      return;
    }
    // libuv asks for no other one before this one is taken.
    if (listener->loop_.is_roughly_late()) {
      listener->loop_.put_off(listener->later_);
    } else {
      accept(listener);
    }
  }
  static void accept(void* self) noexcept {
    auto* listener = static_cast<Listener*>(self);
    auto stream = std::make_unique<UvStream>(listener->loop_, listener->kind_);
    const int accepted = uv_accept(&listener->handle_->stream, stream->uv());
    if (accepted < 0) {
      listener->handler_.on_accept_error(error_from_errno(-accepted, "accept"));
      return;
    }
    if (listener->accepts_fast_open_) stream->fast_open_ = accepted_fast_open(stream->descriptor());
    if (listener->backlog_limit_ > 0) tell_backlog(*listener, *stream);
    listener->handler_.on_connection(std::move(stream));
  }
  // Of a listening socket, what is "unacked" are the connections that nobody has accepted.
  static void tell_backlog(Listener& listener, const UvStream& stream) noexcept {
    uv_os_fd_t descriptor = -1;
    tcp_info facts{};
    socklen_t size = sizeof facts;
    const auto* handle = reinterpret_cast<const uv_handle_t*>(&listener.handle_->stream);
    if (uv_fileno(handle, &descriptor) != 0) return;
    if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &facts, &size) != 0) return;
    const std::optional<Endpoint> local = stream.local();
    if (!local || facts.tcpi_unacked + 1 <= listener.backlog_limit_) return;
    listener.handler_.on_backlog(facts.tcpi_unacked + 1, *local);
  }
  static void on_closed(uv_handle_t* handle) noexcept {
    delete reinterpret_cast<Listener::Handle*>(handle);
  }
};

Listener::Listener(Loop& loop, UvStream::Kind kind, ConnectionHandler& handler)
    : loop_(loop),
      handler_(handler),
      later_(&ListenerCallbacks::accept, this),
      handle_(new Handle),
      kind_(kind) {
  if (kind == UvStream::Kind::tcp) {
    uv_tcp_init(loop.uv(), &handle_->tcp);
  } else {
    uv_pipe_init(loop.uv(), &handle_->pipe, 0);
  }
  handle_->stream.data = this;
}

Listener::~Listener() {
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->stream), &ListenerCallbacks::on_closed);
}

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, int descriptor, UvStream::Kind kind,
                                                 int backlog, ConnectionHandler& handler) {
  std::unique_ptr<Listener> listener(new Listener(loop, kind, handler));
  const int opened = kind == UvStream::Kind::tcp
                         ? uv_tcp_open(&listener->handle_->tcp, descriptor)
                         : uv_pipe_open(&listener->handle_->pipe, descriptor);
  if (opened < 0) {
    ::close(descriptor);
    return error_from_errno(-opened, "take over a listening socket");
  }
  if (kind == UvStream::Kind::tcp) {
    const int on = 1;  // what is accepted inherits it
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    listener->accepts_fast_open_ = may_accept_fast_open();
    if (listener->accepts_fast_open_) accept_fast_open(descriptor, backlog);
  }
  const int listening =
      uv_listen(&listener->handle_->stream, backlog, &ListenerCallbacks::on_connection);
  if (listening < 0) return error_from_errno(-listening, "listen");
  return listener;
}

Result<int> bind_tcp(const Endpoint& at, bool shares_port) {
  const int family = at.address.is_v6() ? AF_INET6 : AF_INET;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return error_from_errno(errno, "socket for " + at.to_string());
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shares_port) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  sockaddr_storage address{};
  const unsigned length = to_sockaddr(at, address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) return fd;
  Error error = error_from_errno(errno, "bind to " + at.to_string());
  ::close(fd);
  return error;
}

// A program of the classic packet filter: a random number is compared with the running totals.
Result<void> share_connections(int descriptor, std::span<const uint16_t> shares) {
  constexpr auto kRandom = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_RANDOM);
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kRandom),
                                   BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff)};
  uint32_t total = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    total += shares[i];
    if (shares[i] == 0) continue;
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, total, 1, 0));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, static_cast<uint32_t>(i)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) == 0)
    return {};
  return error_from_errno(errno, "share connections among workers");
}

void spread_connections(int descriptor) noexcept {
  const int unused = 0;
  ::setsockopt(descriptor, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof unused);
}

void set_keepalive(int descriptor, bool is_on) noexcept {
  const int value = is_on ? 1 : 0;
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value);
}

Result<int> bind_unix(const std::string& path, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error(Errc::too_long, "socket path " + path);
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return error_from_errno(errno, "socket for " + path);
  ::unlink(path.c_str());
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::chmod(path.c_str(), mode) == 0) {
    return fd;
  }
  Error error = error_from_errno(errno, "bind to " + path);
  ::close(fd);
  return error;
}

}  // namespace godwit
