#include "tls/tls_stream.h"

#include "core/base/assert.h"
#include "tls/limits.h"

#include <utility>

namespace godwit::tls {
namespace {

Error tls_error(const Engine& engine) {
  return Error(Errc::connection_reset, engine.failure());
}

}  // namespace

// One operation on the inner stream, which nobody of ours waits for: its frame goes when it is
// done. While one is under way the inner stream holds it, and telling the inner stream to close or
// to stop reading ends it.
struct TlsStream::Pump {
  struct promise_type : PooledFrame {
    Pump get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { GODWIT_UNREACHABLE("an exception left a stream"); }
  };
};

TlsStream::Pump TlsStream::read_some(TlsStream& self) {
  for (;;) {
    const Result<std::string_view> got = co_await self.inner_.read();
    const bool wants_more = self.on_read(got);
    if (!wants_more) co_return;  // whoever was resumed may have destroyed the stream
  }
}

TlsStream::Pump TlsStream::write_all(TlsStream& self, std::string bytes) {
  const Result<void> sent = co_await self.inner_.write(bytes);
  self.on_written(sent);
}

TlsStream::TlsStream(ByteStream& inner, std::unique_ptr<Engine> engine)
    : inner_(inner), engine_(std::move(engine)) {}

TlsStream::~TlsStream() {
  close();
}

Task<Result<Handshake>> TlsStream::handshake() {
  for (;;) {
    const Handshake state = engine_->handshake();
    if (engine_->has_output()) {
      const std::string output = engine_->take_output();
      handshaking_ = true;
      const Result<void> sent = co_await inner_.write(output);
      handshaking_ = false;
      if (!sent && state != Handshake::failed) co_return sent.error();
    }
    if (state == Handshake::failed) co_return tls_error(*engine_);
    if (state != Handshake::wants_input) co_return state;
    handshaking_ = true;
    const Result<std::string_view> got = co_await inner_.read();
    handshaking_ = false;
    if (!got) co_return got.error();
    if (got->empty()) {
      engine_->peer_gone();
    } else {
      engine_->receive(*got);
    }
  }
}

void TlsStream::close() noexcept {
  if (closed_) return;
  closed_ = true;
  if (handshaking_) {
    set_read_error(Error(Errc::cancelled, "the connection was closed here"));
    set_write_error(Error(Errc::cancelled, "the connection was closed here"));
    return inner_.close();  // whoever shakes hands goes on, and may destroy this
  }
  // What ends here resumes nobody before everything has ended: whoever goes on may destroy this.
  quiet_ = true;
  engine_->close_notify();
  if (!writing_) flush();
  if (reading_ && writing_) inner_.interrupt_reads();
  inner_.close();
  quiet_ = false;
  if (!has_read_error()) set_read_error(Error(Errc::cancelled, "the connection was closed here"));
  set_write_error(Error(Errc::cancelled, "the connection was closed here"));
  GODWIT_ASSERT(!(is_read_awaited() && is_write_awaited()));
  if (is_read_awaited()) {
    resume_reader();
  } else {
    resume_writer();
  }
}

void TlsStream::on_reads_interrupted() noexcept {
  if (handshaking_) return inner_.interrupt_reads();  // may destroy this
  quiet_ = true;
  inner_.interrupt_reads();
  quiet_ = false;
}

bool TlsStream::has_input() const {
  return !closed_ && (engine_->has_plaintext() || inner_.has_input());
}

// --- Reading -------------------------------------------------------------------------------------

bool TlsStream::try_read() {
  for (;;) {
    if (decrypt()) return true;
    if (reading_) return false;
    // What the inner stream has at hand is taken without waiting for it.
    ByteStream::ReadAwaiter inner = inner_.read();
    if (!inner.await_ready()) return false;
    take_ciphertext(inner.await_resume());
  }
}

// True where there is something to tell a reader.
bool TlsStream::decrypt() {
  if (has_read_error() || reads_interrupted() || ended_) return true;
  // An idle session has nothing, and needs no buffer to learn it.
  if (!engine_->has_unread() && !truncated_) return false;
  if (plaintext_ == nullptr) plaintext_ = std::make_unique_for_overwrite<char[]>(kReadBytesMax);
  const Engine::ReadResult result = engine_->read(std::span<char>(plaintext_.get(), kReadBytesMax));
  // Reading may have made the library answer: a key update, or an alert.
  flush();
  switch (result.state) {
    case ReadState::bytes:
      set_read(std::string_view(plaintext_.get(), result.bytes));
      return true;
    case ReadState::wants_input:
      return false;
    case ReadState::ended:
      ended_ = true;
      return true;
    case ReadState::failed:
      set_read_error(tls_error(*engine_));
      return true;
  }
  return false;
}

void TlsStream::take_ciphertext(const Result<std::string_view>& got) {
  if (!got) {
    if (!has_read_error() && !closed_) set_read_error(got.error());
  } else if (got->empty()) {
    engine_->peer_gone();
    truncated_ = true;
  } else {
    engine_->receive(*got);
  }
}

void TlsStream::wait_readable() {
  plaintext_.reset();
  if (reading_) return;
  reading_ = true;
  read_some(*this);
}

// True where the reader still waits for what the inner stream has to bring.
bool TlsStream::on_read(const Result<std::string_view>& got) {
  take_ciphertext(got);
  if (quiet_ || !is_read_awaited()) {
    reading_ = false;
    return false;
  }
  if (!decrypt()) return true;
  reading_ = false;
  resume_reader();
  return false;
}

// --- Writing -------------------------------------------------------------------------------------

bool TlsStream::try_write(std::span<const std::string_view> parts) {
  if (closed_) return true;
  // Small parts share a record; a record has at most 16 KiB.
  std::string gathered;
  const auto put = [&](std::string_view bytes) {
    const Result<void> taken = engine_->write(bytes);
    if (!taken) set_write_error(taken.error());
    return taken.has_value();
  };
  for (std::string_view part : parts) {
    while (!part.empty()) {
      const std::string_view piece = part.substr(0, kReadBytesMax - gathered.size());
      part.remove_prefix(piece.size());
      const bool is_full = piece.size() == kReadBytesMax;
      if (!is_full) gathered += piece;
      if (!is_full && gathered.size() < kReadBytesMax) continue;
      if (!put(is_full ? piece : std::string_view(gathered))) return true;
      gathered.clear();
    }
  }
  if (!put(gathered)) return true;
  flush();
  return !writing_;
}

void TlsStream::flush() {
  if (writing_ || !engine_->has_output()) return;
  writing_ = true;
  write_all(*this, engine_->take_output());
}

void TlsStream::on_written(const Result<void>& sent) {
  writing_ = false;
  if (!sent) set_write_error(sent.error());
  if (quiet_) return;
  if (sent && engine_->has_output()) return flush();
  resume_writer();
}

}  // namespace godwit::tls
