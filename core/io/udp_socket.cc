#include "core/io/udp_socket.h"

#include <sys/socket.h>
#include <uv.h>

namespace godwit {

struct UdpSocket::Handle {
  uv_udp_t udp;
};

struct UdpCallbacks {
  static UdpSocket* owner(void* handle) noexcept {
    return static_cast<UdpSocket*>(static_cast<uv_handle_t*>(handle)->data);
  }
  static void on_allocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) noexcept {
    UdpSocket* socket = owner(handle);
    // Without room libuv leaves the datagram where it is, and asks again in the next turn.
    *buffer = socket->loop_.is_roughly_late()
                  ? uv_buf_init(nullptr, 0)
                  : uv_buf_init(socket->loop_.read_buffer(), Loop::kReadBufferBytes);
  }
  static void on_receive(uv_udp_t* handle, ssize_t count, const uv_buf_t* buffer,
                         const sockaddr* from, unsigned) noexcept {
    UdpSocket* socket = owner(handle);
    if (buffer->base == nullptr) return;
    if (count < 0) {
      socket->handler_.on_socket_error(*socket,
                                       error_from_errno(static_cast<int>(-count), "receive"));
    } else if (from != nullptr) {  // otherwise libuv says that there is nothing more to read
      socket->handler_.on_datagram(*socket, {buffer->base, static_cast<size_t>(count)});
    }
  }
  static void on_closed(uv_handle_t* handle) noexcept {
    delete reinterpret_cast<UdpSocket::Handle*>(handle);
  }
};

UdpSocket::UdpSocket(Loop& loop, UdpHandler& handler)
    : loop_(loop), handler_(handler), handle_(new Handle) {
  uv_udp_init(loop.uv(), &handle_->udp);
  handle_->udp.data = this;
}

UdpSocket::~UdpSocket() {
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->udp), &UdpCallbacks::on_closed);
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::connect(Loop& loop, const Endpoint& to,
                                                      UdpHandler& handler) {
  std::unique_ptr<UdpSocket> socket(new UdpSocket(loop, handler));
  sockaddr_storage address{};
  to_sockaddr(to, address);
  const int connected =
      uv_udp_connect(&socket->handle_->udp, reinterpret_cast<const sockaddr*>(&address));
  if (connected < 0) return error_from_errno(-connected, "UDP socket to " + to.to_string());
  const int receiving = uv_udp_recv_start(&socket->handle_->udp, &UdpCallbacks::on_allocate,
                                          &UdpCallbacks::on_receive);
  if (receiving < 0) return error_from_errno(-receiving, "UDP socket to " + to.to_string());
  return socket;
}

Result<void> UdpSocket::send(std::string_view bytes) {
  // libuv does not write through the pointer.
  const uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const int sent = uv_udp_try_send(&handle_->udp, &buffer, 1, nullptr);
  if (sent < 0) return error_from_errno(-sent, "send");
  return {};
}

}  // namespace godwit
