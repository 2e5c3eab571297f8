#include "core/io/clock.h"

#include <ctime>

namespace godwit {
namespace {

int64_t read_micros(clockid_t id) {
  timespec at{};
  clock_gettime(id, &at);
  return int64_t{at.tv_sec} * 1'000'000 + at.tv_nsec / 1000;
}

}  // namespace

Instant SystemClock::now() const {
  return {read_micros(CLOCK_MONOTONIC)};
}
WallTime SystemClock::wall() const {
  return {read_micros(CLOCK_REALTIME)};
}

}  // namespace godwit
