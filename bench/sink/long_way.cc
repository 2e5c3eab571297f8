#include "bench/sink/long_way.h"

#include <utility>

namespace godwit::bench {

LongWay::LongWay(Loop& loop, ByteStream& inner, Millis delay)
    : loop_(loop), inner_(inner), delay_(delay), due_(&LongWay::on_due, this) {}

LongWay::~LongWay() = default;

void LongWay::start() {
  carriers_.spawn(carry_in());
}

Task<void> LongWay::finish() {
  while (carrying_out_) co_await Sleep(loop_.timers(), delay_);
  inner_.close();
  co_await carriers_.join();
}

bool LongWay::is_due() const {
  return !incoming_.empty() && incoming_.front().due <= loop_.clock().now();
}

bool LongWay::try_read() {
  if (!is_due()) return false;
  handed_ = incoming_.front().bytes;
  if (!handed_.empty()) incoming_.pop_front();  // the end stays
  set_read(handed_);
  return true;
}

void LongWay::arm() {
  if (!incoming_.empty()) loop_.timers().set(due_, incoming_.front().due);
}

void LongWay::on_due(void* self) noexcept {
  auto& way = *static_cast<LongWay*>(self);
  if (!way.is_read_awaited()) return;
  if (!way.try_read()) return way.arm();
  way.resume_reader();
}

Task<void> LongWay::carry_in() {
  for (;;) {
    const Result<std::string_view> got = co_await inner_.read();
    const std::string bytes(got ? *got : std::string_view());
    const bool is_end = bytes.empty();
    incoming_.push_back({loop_.clock().now() + delay_, bytes});
    if (is_read_awaited() && !due_.is_armed()) arm();
    if (is_end) co_return;
  }
}

bool LongWay::try_write(std::span<const std::string_view> parts) {
  std::string bytes;
  for (std::string_view part : parts) bytes += part;
  outgoing_.push_back({loop_.clock().now() + delay_, std::move(bytes)});
  if (!std::exchange(carrying_out_, true)) carriers_.spawn(carry_out());
  return true;
}

Task<void> LongWay::carry_out() {
  while (!outgoing_.empty()) {
    const Piece piece = std::move(outgoing_.front());
    outgoing_.pop_front();
    const Instant now = loop_.clock().now();
    if (piece.due > now) {
      const Millis left{(piece.due.micros - now.micros + 999) / 1000};
      co_await Sleep(loop_.timers(), left);
    }
    const Result<void> sent = co_await inner_.write(piece.bytes);
    if (!sent) outgoing_.clear();
  }
  carrying_out_ = false;
}

}  // namespace godwit::bench
