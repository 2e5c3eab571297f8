// ByteStream: what sessions and deliveries see of a connection. TCP, unix sockets, TLS over either,
// and the memory double of the tests all look like this.
//
// One reader and one writer at a time. A view that read() gave is valid until the caller next
// suspends on anything. Destroying a stream whose operation is awaited is an error of ours.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <coroutine>
#include <optional>
#include <span>
#include <string_view>

namespace godwit {

class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream();

  // The moment at which a pending read or write gives Errc::timed_out; never() for none. It holds
  // for later operations too, until it is set again.
  virtual void set_deadline(Instant deadline) = 0;
  // Ends the connection; what is awaited gives Errc::cancelled, and so does every later operation.
  virtual void close() noexcept = 0;
  // close() follows the next write at once: the network may carry both in one packet.
  virtual void expect_close() noexcept {}
  // True where a read would give bytes now.
  virtual bool has_input() const = 0;
  // Ends a pending and every later read with Errc::cancelled; writing goes on. For shutting down.
  void interrupt_reads() noexcept;
  // Ends a pending read with Errc::cancelled; later ones go on as before.
  void wake_reader();

  struct ReadAwaiter {
    ByteStream& stream;
    bool await_ready() { return stream.try_read(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      stream.reader_ = waiter;
      stream.wait_readable();
    }
    Result<std::string_view> await_resume() { return stream.take_read(); }
  };
  // What arrived, at least one byte; an empty view where the peer ended the stream in order.
  [[nodiscard]] ReadAwaiter read() noexcept { return ReadAwaiter{*this}; }

  struct WriteAwaiter {
    ByteStream& stream;
    std::span<const std::string_view> parts;
    std::string_view single;
    bool await_ready() {
      return stream.try_write(parts.empty() ? std::span<const std::string_view>(&single, 1)
                                            : parts);
    }
    void await_suspend(std::coroutine_handle<> waiter) { stream.writer_ = waiter; }
    Result<void> await_resume() { return stream.take_write(); }
  };
  // Completes when the bytes were handed to the operating system. What could not be sent at once is
  // copied, so the views need to live only until the call suspends.
  [[nodiscard]] WriteAwaiter write(std::string_view bytes) noexcept { return {*this, {}, bytes}; }
  [[nodiscard]] WriteAwaiter write(std::span<const std::string_view> parts) noexcept {
    return {*this, parts, {}};
  }

 protected:
  // True where take_read() has an answer now.
  virtual bool try_read() = 0;
  virtual void wait_readable() = 0;
  // True where all was sent or failed; otherwise the rest is kept and finish_write() will be
  // called.
  virtual bool try_write(std::span<const std::string_view> parts) = 0;
  // Reading has ended; a stream over another one passes it on. Resumes nobody where a reader of
  // this stream waits.
  virtual void on_reads_interrupted() noexcept {}

  void set_read(std::string_view view) noexcept { read_view_ = view; }
  void set_read_error(Error error) { read_error_.emplace(std::move(error)); }
  void set_write_error(Error error) { write_error_.emplace(std::move(error)); }
  bool has_read_error() const noexcept { return read_error_.has_value(); }
  bool is_read_awaited() const noexcept { return static_cast<bool>(reader_); }
  bool is_write_awaited() const noexcept { return static_cast<bool>(writer_); }
  bool reads_interrupted() const noexcept { return reads_interrupted_; }
  // Resumes who waits, if anybody; the stream may be destroyed when these return.
  void resume_reader();
  void resume_writer();

 private:
  Result<std::string_view> take_read();
  Result<void> take_write();

  std::coroutine_handle<> reader_;
  std::coroutine_handle<> writer_;
  std::string_view read_view_;
  std::optional<Error> read_error_;
  std::optional<Error> write_error_;
  bool reads_interrupted_ = false;
  bool woken_ = false;
};

}  // namespace godwit
