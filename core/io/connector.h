// Connector: opens connections, as a collaborator. SocketConnector is TCP; a simulation hands out
// streams in memory. Outlives the streams' users, not the streams.
#pragma once

#include "core/io/uv_stream.h"

#include <memory>

namespace godwit {

class Connector {
 public:
  virtual ~Connector() = default;
  // A connected stream, or why not (connection_refused, timed_out, unreachable, cancelled ...).
  virtual Task<Result<std::unique_ptr<ByteStream>>> connect(ConnectOptions options) = 0;
  // Where a stream of this connector comes from; nothing where that is not known.
  virtual std::optional<Endpoint> local_of(const ByteStream&) const { return std::nullopt; }
};

class SocketConnector final : public Connector {
 public:
  explicit SocketConnector(Loop& loop) : loop_(loop) {}
  Task<Result<std::unique_ptr<ByteStream>>> connect(ConnectOptions options) override {
    Result<std::unique_ptr<UvStream>> connected = co_await godwit::connect(loop_, options);
    if (!connected) co_return connected.error();
    co_return Result<std::unique_ptr<ByteStream>>(std::move(*connected));
  }
  std::optional<Endpoint> local_of(const ByteStream& stream) const override {
    return static_cast<const UvStream&>(stream).local();
  }

 private:
  Loop& loop_;
};

}  // namespace godwit
