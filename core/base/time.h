// Times and durations as small types that carry their unit. No <chrono>: it is slow to compile.
// Instant counts from an arbitrary start (CLOCK_MONOTONIC); WallTime from 1970 (CLOCK_REALTIME).
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace godwit {

struct Millis {
  int64_t count = 0;
  constexpr auto operator<=>(const Millis&) const = default;
};

struct Seconds {
  int64_t count = 0;
  constexpr auto operator<=>(const Seconds&) const = default;
  constexpr operator Millis() const { return {count * 1000}; }
};

struct Instant {
  int64_t micros = 0;
  constexpr auto operator<=>(const Instant&) const = default;
  static constexpr Instant never() { return {INT64_MAX}; }
};

struct WallTime {
  int64_t micros = 0;
  constexpr auto operator<=>(const WallTime&) const = default;
  constexpr int64_t seconds() const { return micros / 1'000'000; }
  static constexpr WallTime from_seconds(int64_t seconds) { return {seconds * 1'000'000}; }
};

constexpr Instant operator+(Instant at, Millis delay) {
  return {at.micros + delay.count * 1000};
}
constexpr Millis operator-(Instant later, Instant earlier) {
  return {(later.micros - earlier.micros) / 1000};
}
constexpr WallTime operator+(WallTime at, Millis delay) {
  return {at.micros + delay.count * 1000};
}
constexpr Millis operator-(WallTime later, WallTime earlier) {
  return {(later.micros - earlier.micros) / 1000};
}

// "2026-11-21 04:30:00", local time or UTC: the date and time of Exim's log lines.
std::string format_log_time(WallTime at, bool utc);
// "Sat, 21 Nov 2026 04:30:00 +0000": RFC 5322 3.3.
std::string format_rfc5322_time(WallTime at, bool utc);
// "1h30m", "45s": Exim's way to print an interval; "0s" for none.
std::string format_interval(Seconds interval);

}  // namespace godwit
