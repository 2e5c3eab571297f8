// Connector: opens connections, as a collaborator. SocketConnector is TCP; a simulation hands out
// streams in memory. Outlives the streams' users, not the streams.
#pragma once

#include "core/io/uv_stream.h"

#include <memory>

namespace godwit {

// What is known of how a connection began.
struct Opened {
  std::optional<Endpoint> local;  // where it comes from
  FastOpen fast_open = FastOpen::no;
  size_t first_sent = 0;  // of ConnectOptions::first
};

class Connector {
 public:
  virtual ~Connector() = default;
  // A connected stream, or why not (connection_refused, timed_out, unreachable, cancelled ...).
  virtual Task<Result<std::unique_ptr<ByteStream>>> connect(ConnectOptions options) = 0;
  // About a stream of this connector.
  virtual Opened how_opened(const ByteStream&) const { return Opened(); }
};

class SocketConnector final : public Connector {
 public:
  explicit SocketConnector(Loop& loop) : loop_(loop) {}
  Task<Result<std::unique_ptr<ByteStream>>> connect(ConnectOptions options) override {
    Result<std::unique_ptr<UvStream>> connected = co_await godwit::connect(loop_, options);
    if (!connected) co_return connected.error();
    co_return Result<std::unique_ptr<ByteStream>>(std::move(*connected));
  }
  Opened how_opened(const ByteStream& stream) const override {
    const auto& socket = static_cast<const UvStream&>(stream);
    return {socket.local(), socket.fast_open(), socket.first_sent()};
  }

 private:
  Loop& loop_;
};

}  // namespace godwit
