// UvStream: a ByteStream over a TCP or unix-domain socket of libuv. The libuv handle lives in a
// heap block of its own, which goes away in libuv's close callback; the stream may be destroyed
// before.
#pragma once

#include "core/base/ip_address.h"
#include "core/io/fast_open.h"
#include "core/io/loop.h"
#include "core/io/stream.h"
#include "core/io/task.h"

#include <memory>
#include <string>

struct uv_stream_s;

namespace godwit {

class UvStream final : public ByteStream {
 public:
  enum class Kind : uint8_t { tcp, unix_socket };

  // An unconnected stream; connect() and Listener make connected ones.
  UvStream(Loop& loop, Kind kind);
  ~UvStream() override;
  // Takes over a connected unix-domain socket.
  static Result<std::unique_ptr<UvStream>> from_descriptor(Loop& loop, int descriptor);

  void set_deadline(Instant deadline) override;
  void close() noexcept override;
  void expect_close() noexcept override;
  bool has_input() const override;

  // Who is at the other end, and which of our addresses it reached. TCP only; unset where the
  // system cannot tell any more.
  std::optional<Endpoint> peer() const;
  std::optional<Endpoint> local() const;
  Kind kind() const noexcept { return kind_; }
  // -1 when closed.
  int descriptor() const noexcept;
  // How the connection began, and how much of ConnectOptions::first went with its first packets.
  FastOpen fast_open() const noexcept { return fast_open_; }
  size_t first_sent() const noexcept { return first_sent_; }
  // The next close sends RST instead of FIN (TCP): for clients that are refused in bulk.
  void reset_on_close() noexcept { reset_on_close_ = true; }
  // Small writes may wait for an acknowledgement of what went before (tcp_nodelay = false).
  void allow_delay() noexcept;

 protected:
  bool try_read() override;
  void wait_readable() override;
  bool try_write(std::span<const std::string_view> parts) override;

 private:
  friend struct UvStreamCallbacks;
  friend struct ListenerCallbacks;
  friend class ConnectAwaiter;
  friend Task<Result<std::unique_ptr<UvStream>>> connect(Loop& loop, struct ConnectOptions options);
  struct Handle;

  void on_read(ssize_t count, const char* bytes) noexcept;
  void put_off_read() noexcept;
  void read_now() noexcept;
  void on_deadline() noexcept;
  void on_written(int status) noexcept;
  uv_stream_s* uv() noexcept;

  Loop& loop_;
  Handle* handle_;  // freed by libuv's close callback
  TimerNode deadline_;
  Later read_later_;
  std::string pending_;  // arrived while nobody waited
  std::string handed_;   // what the last read() view points into, if not the loop's buffer
  size_t writes_in_flight_ = 0;
  size_t first_sent_ = 0;
  Kind kind_;
  bool reading_ = false;  // uv_read_start is in force, or the read is put off
  bool ended_ = false;    // the peer's end of stream was seen
  bool closed_ = false;
  bool reset_on_close_ = false;
  FastOpen fast_open_ = FastOpen::no;
};

struct ConnectOptions {
  Endpoint to;
  std::optional<IpAddress> from;  // local address to bind
  Millis timeout{300'000};
  bool keepalive = false;            // SO_KEEPALIVE
  std::optional<int> traffic_class;  // of the packets: the whole byte
  bool fast_open = false;            // TCP Fast Open, where the system allows it
  std::string_view first;  // with fast_open: may go with the first packet; outlives connect
  CancelSource* cancel = nullptr;
  int* system_error = nullptr;  // gets the errno value, where the system refused
};

// A connected stream, or why not (connection_refused, timed_out, unreachable, cancelled ...).
Task<Result<std::unique_ptr<UvStream>>> connect(Loop& loop, ConnectOptions options);
// The same for a unix-domain socket at `path`.
Task<Result<std::unique_ptr<UvStream>>> connect_unix(Loop& loop, std::string path);

}  // namespace godwit
