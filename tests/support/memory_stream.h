// MemoryStream: a ByteStream without a socket. The test plays the peer: it pushes bytes in, takes
// bytes out, ends the stream, or cuts it after N bytes in either direction.
#pragma once

#include "core/io/stream.h"

#include <string>

namespace godwit::test {

class MemoryStream final : public ByteStream {
 public:
  ~MemoryStream() override;

  // The peer's side.
  void push(std::string_view bytes);  // what the reader will see
  void push_end();                    // the peer ends its stream
  void push_error(Errc code);         // reading fails
  std::string take_written();         // what was written since the last call
  bool is_closed() const noexcept { return closed_; }
  bool is_reader_waiting() const noexcept { return is_read_awaited(); }
  // Writing fails with `code` after `bytes` more bytes were taken.
  void fail_writes_after(size_t bytes, Errc code);
  // Bytes are handed to the reader at most `bytes` at a time (1: byte by byte).
  void set_read_size_max(size_t bytes) { read_size_max_ = bytes; }

  void set_deadline(Instant deadline) override { deadline_ = deadline; }
  Instant deadline() const noexcept { return deadline_; }
  // What a passed deadline does; tests call it after moving their clock.
  void expire_deadline();
  void close() noexcept override;
  bool has_input() const override { return !incoming_.empty(); }

 protected:
  bool try_read() override;
  void wait_readable() override {}
  bool try_write(std::span<const std::string_view> parts) override;

 private:
  std::string incoming_;
  std::string handed_;
  std::string written_;
  size_t read_size_max_ = static_cast<size_t>(-1);
  size_t write_left_ = static_cast<size_t>(-1);
  Errc write_failure_ = Errc::connection_reset;
  Instant deadline_ = Instant::never();
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace godwit::test
