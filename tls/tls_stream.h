// TlsStream: a ByteStream over another ByteStream, with TLS between. Deadlines, closing and
// interrupting act as on the plain stream. An idle one holds no buffers.
// Lifetime: the inner stream outlives it, and is read and written by it alone.
#pragma once

#include "core/io/stream.h"
#include "core/io/task.h"
#include "tls/engine.h"

#include <memory>
#include <string>

namespace godwit::tls {

class TlsStream final : public ByteStream {
 public:
  TlsStream(ByteStream& inner, std::unique_ptr<Engine> engine);
  ~TlsStream() override;

  // Shakes hands under the deadline that is set. done: plaintext may flow. wants_context: the
  // engine knows the server's name; call again after engine().use_context(). Otherwise an error,
  // with failure() of the engine as its detail where it is TLS that failed.
  Task<Result<Handshake>> handshake();

  Engine& engine() noexcept { return *engine_; }
  // The peer's end of stream came without its close_notify.
  bool was_truncated() const noexcept { return truncated_; }

  void set_deadline(Instant deadline) override { inner_.set_deadline(deadline); }
  // Says close_notify where that does not wait, and closes the inner stream.
  void close() noexcept override;
  void expect_close() noexcept override { inner_.expect_close(); }
  bool has_input() const override;

 protected:
  bool try_read() override;
  void wait_readable() override;
  bool try_write(std::span<const std::string_view> parts) override;
  void on_reads_interrupted() noexcept override;

 private:
  struct Pump;
  static Pump read_some(TlsStream& self);
  static Pump write_all(TlsStream& self, std::string bytes);
  bool on_read(const Result<std::string_view>& got);
  void take_ciphertext(const Result<std::string_view>& got);
  bool decrypt();
  void on_written(const Result<void>& sent);
  void flush();

  ByteStream& inner_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<char[]> plaintext_;  // what the last view points into; none while idle
  bool reading_ = false;               // the inner stream is being read
  bool writing_ = false;
  bool handshaking_ = false;  // handshake() waits for the inner stream
  bool quiet_ =
      false;  // whoever waits is resumed by the caller, not by what the inner stream tells
  bool ended_ = false;
  bool truncated_ = false;
  bool closed_ = false;
};

}  // namespace godwit::tls
