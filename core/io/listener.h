// Listener: accepts on a socket that somebody bound already (the supervisor), in batches, and hands
// each connection to its handler.
#pragma once

#include "core/io/uv_stream.h"

#include <memory>
#include <span>

namespace godwit {

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  virtual void on_connection(std::unique_ptr<UvStream> stream) = 0;
  // accept() failed: out of descriptors or the like. Listening goes on.
  virtual void on_accept_error(const Error& error) = 0;
  // So many connections, with the one that comes next, waited to be taken in; see watch_backlog().
  virtual void on_backlog(uint32_t waiting, const Endpoint& local) {
    static_cast<void>(waiting), static_cast<void>(local);
  }
};

class Listener {
 public:
  // Takes over `descriptor`, a bound socket. `handler` outlives the listener.
  static Result<std::unique_ptr<Listener>> open(Loop& loop, int descriptor, UvStream::Kind kind,
                                                int backlog, ConnectionHandler& handler);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // From now on the handler is told of backlogs over `limit`; zero: of none.
  void watch_backlog(uint32_t limit) noexcept { backlog_limit_ = limit; }

 private:
  struct Handle;
  friend struct ListenerCallbacks;
  Listener(Loop& loop, UvStream::Kind kind, ConnectionHandler& handler);

  Loop& loop_;
  ConnectionHandler& handler_;
  Later later_;     // a connection that waits to be taken in
  Handle* handle_;  // freed by libuv's close callback
  UvStream::Kind kind_;
  bool accepts_fast_open_ = false;
  uint32_t backlog_limit_ = 0;
};

// A bound TCP socket for a Listener, close-on-exec and non-blocking, or the reason why not.
// For IPv6 it is bound for IPv6 only. `shares_port`: one of several sockets on that address, among
// which the system spreads connections (SO_REUSEPORT).
Result<int> bind_tcp(const Endpoint& at, bool shares_port = false);
// Of the sockets that share a port with `descriptor`, the i-th that began to listen gets
// shares[i] / 65536 of the new connections; the first gets what is left of the whole, and what
// would go to a socket that does not exist is spread by the system. Holds until the next call.
Result<void> share_connections(int descriptor, std::span<const uint16_t> shares);
// The system spreads them evenly again.
void spread_connections(int descriptor) noexcept;
// SO_KEEPALIVE of a bound socket, and so of the connections that are accepted on it.
void set_keepalive(int descriptor, bool is_on) noexcept;
// A bound unix-domain socket; an old socket file at `path` is replaced. `mode` are its permissions.
Result<int> bind_unix(const std::string& path, unsigned mode);

}  // namespace godwit
