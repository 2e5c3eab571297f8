// LongWay: a ByteStream that is far away. Every byte takes the same time in each direction,
// whatever is before it, as on a link with a long way and no end of room: commands that travel
// together arrive together. Over another stream, which outlives it.
#pragma once

#include "core/io/cancel.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "core/io/stream.h"

#include <deque>
#include <string>

namespace godwit::bench {

class LongWay final : public ByteStream {
 public:
  // `delay`: of one direction.
  LongWay(Loop& loop, ByteStream& inner, Millis delay);
  ~LongWay() override;

  // Begins to read the inner stream.
  void start();
  // Completes when what was written has arrived; then the inner stream is closed.
  Task<void> finish();

  void set_deadline(Instant deadline) override { inner_.set_deadline(deadline); }
  void close() noexcept override { inner_.close(); }
  bool has_input() const override { return is_due(); }

 protected:
  bool try_read() override;
  void wait_readable() override { arm(); }
  bool try_write(std::span<const std::string_view> parts) override;

 private:
  struct Piece {
    Instant due;
    std::string bytes;  // empty: the end
  };
  bool is_due() const;
  void arm();
  static void on_due(void* self) noexcept;
  Task<void> carry_in();
  Task<void> carry_out();

  Loop& loop_;
  ByteStream& inner_;
  Millis delay_;
  Scope carriers_;
  TimerNode due_;
  std::deque<Piece> incoming_;
  std::deque<Piece> outgoing_;
  std::string handed_;
  bool carrying_out_ = false;
};

}  // namespace godwit::bench
