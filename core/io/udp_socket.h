// UdpSocket: a connected UDP socket on the loop. Being connected, it hears only its peer, and
// learns at once when nobody listens there. Owned by its user, who outlives it; it may be destroyed
// from its own handler.
#pragma once

#include "core/base/ip_address.h"
#include "core/base/result.h"
#include "core/io/loop.h"

#include <memory>
#include <string_view>

namespace godwit {

class UdpSocket;

class UdpHandler {
 public:
  // One datagram; the view is good for the call.
  virtual void on_datagram(UdpSocket& socket, std::string_view bytes) noexcept = 0;
  // The system's word about the peer (connection_refused, unreachable ...). The socket stays open.
  virtual void on_socket_error(UdpSocket& socket, Error error) noexcept = 0;

 protected:
  ~UdpHandler() = default;
};

class UdpSocket {
 public:
  // On a port that the system picks at random. Errors: no_descriptors, unreachable ...
  static Result<std::unique_ptr<UdpSocket>> connect(Loop& loop, const Endpoint& to,
                                                    UdpHandler& handler);
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;
  ~UdpSocket();

  // Sends now or not at all: a full buffer is an error like any other, and UDP may lose.
  Result<void> send(std::string_view bytes);

 private:
  friend struct UdpCallbacks;
  struct Handle;
  UdpSocket(Loop& loop, UdpHandler& handler);

  Loop& loop_;
  UdpHandler& handler_;
  Handle* handle_;  // freed by libuv's close callback
};

}  // namespace godwit
