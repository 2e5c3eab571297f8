#include "core/io/uv_stream.h"

#include "core/base/assert.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <uv.h>

#include <array>
#include <cerrno>
#include <vector>

namespace godwit {
namespace {

// What may arrive for a stream that nobody reads before it stops reading from the socket.
constexpr size_t kPendingBytesMax = 64 * 1024;
constexpr size_t kGatherPartsMax = 64;

Error error_from_uv(int status, std::string_view what) {
  return error_from_errno(-status, what);
}

struct WriteRequest {
  uv_write_t request;
  std::string bytes;
};

}  // namespace

// Both kinds of handle share their first members (uv_stream_t).
struct UvStream::Handle {
  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
};

struct UvStreamCallbacks {
  static UvStream* owner(void* handle) noexcept {
    return static_cast<UvStream*>(static_cast<uv_handle_t*>(handle)->data);
  }
  static void on_allocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) noexcept {
    UvStream* stream = owner(handle);
    // Without room libuv leaves the bytes where they are.
    *buffer = stream->loop_.is_roughly_late()
                  ? uv_buf_init(nullptr, 0)
                  : uv_buf_init(stream->loop_.read_buffer(), Loop::kReadBufferBytes);
  }
  static void on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer) noexcept {
    if (count == UV_ENOBUFS && buffer->base == nullptr) {
      owner(handle)->put_off_read();
    } else if (count != 0) {
      owner(handle)->on_read(count, buffer->base);
    }
  }
  static void on_written(uv_write_t* request, int status) noexcept {
    UvStream* stream = owner(request->handle);
    delete static_cast<WriteRequest*>(request->data);
    if (stream != nullptr) stream->on_written(status);
  }
  static void on_closed(uv_handle_t* handle) noexcept {
    delete reinterpret_cast<UvStream::Handle*>(handle);
  }
  static void on_turn(void* self) noexcept { static_cast<UvStream*>(self)->read_now(); }
  static void on_deadline(void* self) noexcept { static_cast<UvStream*>(self)->on_deadline(); }
};

UvStream::UvStream(Loop& loop, Kind kind)
    : loop_(loop),
      handle_(new Handle),
      deadline_(&UvStreamCallbacks::on_deadline, this),
      read_later_(&UvStreamCallbacks::on_turn, this),
      kind_(kind) {
  if (kind == Kind::tcp) {
    uv_tcp_init(loop.uv(), &handle_->tcp);
  } else {
    uv_pipe_init(loop.uv(), &handle_->pipe, 0);
  }
  handle_->stream.data = this;
}

UvStream::~UvStream() {
  close();
}

uv_stream_s* UvStream::uv() noexcept {
  return &handle_->stream;
}

void UvStream::close() noexcept {
  if (closed_) return;
  closed_ = true;
  deadline_.disarm();
  read_later_.cancel();
  handle_->stream.data = nullptr;
  const bool resetting = reset_on_close_ && kind_ == Kind::tcp &&
                         uv_tcp_close_reset(&handle_->tcp, &UvStreamCallbacks::on_closed) == 0;
  if (!resetting) {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->stream), &UvStreamCallbacks::on_closed);
  }
  handle_ = nullptr;
  if (!has_read_error()) set_read_error(Error(Errc::cancelled, "the connection was closed here"));
  set_write_error(Error(Errc::cancelled, "the connection was closed here"));
  // Whoever waits may destroy the stream, so the second waiter is asked for first.
  const bool both = is_read_awaited() && is_write_awaited();
  GODWIT_ASSERT(!both);
  if (is_read_awaited()) {
    resume_reader();
  } else {
    resume_writer();
  }
}

void UvStream::expect_close() noexcept {
  if (closed_ || kind_ != Kind::tcp) return;
  const int on = 1;
  ::setsockopt(descriptor(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

void UvStream::set_deadline(Instant deadline) {
  if (closed_) return;
  if (deadline == Instant::never()) {
    deadline_.disarm();
  } else {
    loop_.timers().set(deadline_, deadline);
  }
}

void UvStream::on_deadline() noexcept {
  if (is_write_awaited()) {
    set_write_error(Error(Errc::timed_out, "no progress in sending"));
    resume_writer();
  } else if (is_read_awaited()) {
    set_read_error(Error(Errc::timed_out, "nothing was received"));
    resume_reader();
  } else {
    // Nobody waits now; the next operation finds that the time is over.
    set_read_error(Error(Errc::timed_out, "nothing was received"));
    set_write_error(Error(Errc::timed_out, "no progress in sending"));
  }
}

bool UvStream::has_input() const {
  if (!pending_.empty()) return true;
  if (closed_ || reading_) return false;
  char byte;
  return ::recv(descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

bool UvStream::try_read() {
  if (!pending_.empty()) {
    handed_.clear();
    handed_.swap(pending_);
    set_read(handed_);
    return true;
  }
  return has_read_error() || reads_interrupted() || ended_;
}

void UvStream::wait_readable() {
  // Idle streams keep no buffer.
  if (handed_.capacity() > 0) std::string().swap(handed_);
  if (pending_.capacity() > 0) std::string().swap(pending_);
  if (reading_) return;
  reading_ = true;
  const int status =
      uv_read_start(uv(), &UvStreamCallbacks::on_allocate, &UvStreamCallbacks::on_read);
  if (status == 0) return;
  set_read_error(error_from_uv(status, "read"));
  resume_reader();
}

// libuv would report the same socket again and again in this turn, where there are many.
void UvStream::put_off_read() noexcept {
  uv_read_stop(uv());
  loop_.put_off(read_later_);
}

// What was put off is read here, and not when libuv next reports it: first come, first served.
void UvStream::read_now() noexcept {
  char* const buffer = loop_.read_buffer();
  ssize_t count = 0;
  do {
    count = ::recv(descriptor(), buffer, Loop::kReadBufferBytes, MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count < 0) count = -errno;
  if (count == 0) count = UV_EOF;
  const int status =
      uv_read_start(uv(), &UvStreamCallbacks::on_allocate, &UvStreamCallbacks::on_read);
  if (status != 0) count = status;
  if (count != -EAGAIN) on_read(count, buffer);
}

void UvStream::on_read(ssize_t count, const char* bytes) noexcept {
  if (count < 0) {
    uv_read_stop(uv());
    reading_ = false;
    if (count == UV_EOF) {
      ended_ = true;
    } else {
      set_read_error(error_from_uv(static_cast<int>(count), "read"));
    }
    resume_reader();
    return;
  }
  const auto size = static_cast<size_t>(count);
  if (is_read_awaited()) {
    set_read(std::string_view(bytes, size));
    resume_reader();
    return;
  }
  pending_.append(bytes, size);
  if (pending_.size() < kPendingBytesMax) return;
  uv_read_stop(uv());
  reading_ = false;
}

bool UvStream::try_write(std::span<const std::string_view> parts) {
  if (closed_) return true;
  std::array<uv_buf_t, kGatherPartsMax> buffers;
  size_t sent = 0;
  size_t total = 0;
  for (std::string_view part : parts) total += part.size();
  if (writes_in_flight_ == 0) {
    size_t count = 0;
    for (std::string_view part : parts) {
      if (part.empty()) continue;
      if (count == buffers.size()) break;
      buffers[count++] =
          uv_buf_init(const_cast<char*>(part.data()), static_cast<unsigned>(part.size()));
    }
    if (count == 0) return true;
    const int status = uv_try_write(uv(), buffers.data(), static_cast<unsigned>(count));
    if (status < 0 && status != UV_EAGAIN) {
      set_write_error(error_from_uv(status, "write"));
      return true;
    }
    if (status > 0) sent = static_cast<size_t>(status);
    if (sent == total) return true;
  }
  auto request = std::make_unique<WriteRequest>();
  request->bytes.reserve(total - sent);
  for (std::string_view part : parts) {
    const size_t skipped = std::min(sent, part.size());
    request->bytes.append(part.substr(skipped));
    sent -= skipped;
  }
  request->request.data = request.get();
  uv_buf_t rest = uv_buf_init(request->bytes.data(), static_cast<unsigned>(request->bytes.size()));
  const int status = uv_write(&request->request, uv(), &rest, 1, &UvStreamCallbacks::on_written);
  if (status < 0) {
    set_write_error(error_from_uv(status, "write"));
    return true;
  }
  request.release();
  ++writes_in_flight_;
  return false;
}

void UvStream::on_written(int status) noexcept {
  --writes_in_flight_;
  if (status < 0) set_write_error(error_from_uv(status, "write"));
  if (writes_in_flight_ == 0 || status < 0) resume_writer();
}

void UvStream::allow_delay() noexcept {
  if (!closed_ && kind_ == Kind::tcp) uv_tcp_nodelay(reinterpret_cast<uv_tcp_t*>(uv()), 0);
}

std::optional<Endpoint> UvStream::peer() const {
  if (closed_ || kind_ != Kind::tcp) return std::nullopt;
  sockaddr_storage storage{};
  int length = sizeof storage;
  if (uv_tcp_getpeername(&handle_->tcp, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
    return std::nullopt;
  return from_sockaddr(reinterpret_cast<sockaddr*>(&storage));
}

std::optional<Endpoint> UvStream::local() const {
  if (closed_ || kind_ != Kind::tcp) return std::nullopt;
  sockaddr_storage storage{};
  int length = sizeof storage;
  if (uv_tcp_getsockname(&handle_->tcp, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
    return std::nullopt;
  return from_sockaddr(reinterpret_cast<sockaddr*>(&storage));
}

int UvStream::descriptor() const noexcept {
  if (closed_) return -1;
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle_->stream), &fd);
  return fd;
}

// Waits for a connect request. The request block outlives the awaiter where a deadline wins:
// closing the stream makes libuv end the request, and its callback then finds nobody.
class ConnectAwaiter {
 public:
  ConnectAwaiter(Loop& loop, UvStream& stream, const ConnectOptions& options)
      : loop_(loop),
        stream_(stream),
        options_(options),
        timer_(&ConnectAwaiter::on_timeout, this),
        later_(&ConnectAwaiter::on_turn, this) {}
  ConnectAwaiter(Loop& loop, UvStream& stream, const std::string& path,
                 const ConnectOptions& options)
      : loop_(loop),
        stream_(stream),
        options_(options),
        path_(&path),
        timer_(&ConnectAwaiter::on_timeout, this),
        later_(&ConnectAwaiter::on_turn, this) {}

  bool await_ready() {
    if (options_.cancel != nullptr && options_.cancel->is_cancelled()) {
      error_.emplace(Errc::cancelled, "connect");
      return true;
    }
    request_ = new Request{{}, this};
    request_->request.data = request_;
    if (path_ != nullptr) {
      uv_pipe_connect(&request_->request, &stream_.handle_->pipe, path_->c_str(),
                      &ConnectAwaiter::on_connect);
      return false;
    }
    const int status = start_tcp();
    if (status == 0) return error_.has_value();
    delete std::exchange(request_, nullptr);
    fail(-status);
    return true;
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    if (options_.cancel != nullptr) cancel_.arm(*options_.cancel, &ConnectAwaiter::on_cancel, this);
    loop_.timers().set(timer_, loop_.clock().now() + options_.timeout);
  }
  Result<void> await_resume() {
    if (error_) return *error_;
    return {};
  }

 private:
  struct Request {
    uv_connect_t request;
    ConnectAwaiter* awaiter;
  };

  int start_tcp() {
    sockaddr_storage address{};
    const bool is_fast = options_.fast_open && may_fast_open();
    if (is_fast) {
      const int status = make_fast_socket();
      if (status != 0) return status;
    }
    if (options_.from) {
      to_sockaddr(Endpoint{*options_.from, 0}, address);
      const int status =
          uv_tcp_bind(&stream_.handle_->tcp, reinterpret_cast<sockaddr*>(&address), 0);
      if (status != 0) return status;
    }
    to_sockaddr(options_.to, address);
    const int status =
        uv_tcp_connect(&request_->request, &stream_.handle_->tcp,
                       reinterpret_cast<sockaddr*>(&address), &ConnectAwaiter::on_connect);
    if (status == 0 && is_fast) send_first();
    return status;
  }
  int make_fast_socket() {
    const int family = options_.to.address.is_v6() ? AF_INET6 : AF_INET;
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    request_fast_open(fd);
    const int status = uv_tcp_open(&stream_.handle_->tcp, fd);
    if (status != 0) ::close(fd);
    return status;
  }
  // Where the system has a cookie, the connection begins here, even with nothing to send.
  void send_first() {
    const std::string_view first = options_.first;
    if (!first.empty() && !is_connecting(stream_.descriptor())) return;
    const ssize_t sent =
        ::send(stream_.descriptor(), first.data(), first.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      stream_.first_sent_ = static_cast<size_t>(sent);
    } else if (errno == EINPROGRESS) {
      stream_.fast_open_ = FastOpen::used;
    } else if (errno != EAGAIN) {
      fail(errno);
      std::exchange(request_, nullptr)->awaiter = nullptr;
    }
  }
  static void on_connect(uv_connect_t* connect, int status) noexcept {
    const std::unique_ptr<Request> request(static_cast<Request*>(connect->data));
    if (request->awaiter == nullptr) return;
    request->awaiter->request_ = nullptr;
    if (status != 0) request->awaiter->fail(-status);
    ConnectAwaiter* awaiter = request->awaiter;
    if (awaiter->loop_.is_late()) {
      awaiter->loop_.put_off(awaiter->later_);
    } else {
      awaiter->finish();
    }
  }
  static void on_turn(void* self) noexcept { static_cast<ConnectAwaiter*>(self)->finish(); }
  static void on_timeout(void* self) noexcept {
    static_cast<ConnectAwaiter*>(self)->abandon(Error(Errc::timed_out, "connect"));
  }
  static void on_cancel(void* self) noexcept {
    static_cast<ConnectAwaiter*>(self)->abandon(Error(Errc::cancelled, "connect"));
  }
  void fail(int system_error) {
    error_.emplace(error_from_errno(system_error, "connect to " + options_.to.to_string()));
    if (options_.system_error != nullptr) *options_.system_error = system_error;
  }
  void abandon(Error error) {
    error_.emplace(std::move(error));
    if (request_ != nullptr) std::exchange(request_, nullptr)->awaiter = nullptr;
    finish();
  }
  void finish() {
    timer_.disarm();
    cancel_.disarm();
    later_.cancel();
    waiter_.resume();
  }

  Loop& loop_;
  UvStream& stream_;
  const ConnectOptions& options_;
  const std::string* path_ = nullptr;
  TimerNode timer_;
  Later later_;
  CancelWaiter cancel_;
  Request* request_ = nullptr;
  std::optional<Error> error_;
  std::coroutine_handle<> waiter_;
};

namespace {

// Wishes: where the system refuses one, the connection is as good without it.
void set_socket_options(int descriptor, const ConnectOptions& options) {
  const auto set = [descriptor](int level, int name, int value) {
    ::setsockopt(descriptor, level, name, &value, sizeof value);
  };
  if (options.keepalive) set(SOL_SOCKET, SO_KEEPALIVE, 1);
  if (!options.traffic_class) return;
  if (options.to.address.is_v6()) {
    set(IPPROTO_IPV6, IPV6_TCLASS, *options.traffic_class);
  } else {
    set(IPPROTO_IP, IP_TOS, *options.traffic_class);
  }
}

}  // namespace

Task<Result<std::unique_ptr<UvStream>>> connect(Loop& loop, ConnectOptions options) {
  auto stream = std::make_unique<UvStream>(loop, UvStream::Kind::tcp);
  ConnectAwaiter attempt(loop, *stream, options);
  const Result<void> connected = co_await attempt;
  if (!connected) co_return connected.error();
  uv_tcp_nodelay(reinterpret_cast<uv_tcp_t*>(stream->uv()), 1);
  set_socket_options(stream->descriptor(), options);
  if (stream->first_sent_ > 0 && is_first_data_taken(stream->descriptor()))
    stream->fast_open_ = FastOpen::with_data;
  co_return std::move(stream);
}

Result<std::unique_ptr<UvStream>> UvStream::from_descriptor(Loop& loop, int descriptor) {
  auto stream = std::make_unique<UvStream>(loop, Kind::unix_socket);
  const int opened = uv_pipe_open(&stream->handle_->pipe, descriptor);
  if (opened != 0) {
    ::close(descriptor);
    return error_from_errno(-opened, "socket");
  }
  return stream;
}

Task<Result<std::unique_ptr<UvStream>>> connect_unix(Loop& loop, std::string path) {
  auto stream = std::make_unique<UvStream>(loop, UvStream::Kind::unix_socket);
  const ConnectOptions options;
  ConnectAwaiter attempt(loop, *stream, path, options);
  const Result<void> connected = co_await attempt;
  if (!connected) co_return Error(connected.error().code(), "connect to " + path);
  co_return std::move(stream);
}

}  // namespace godwit
