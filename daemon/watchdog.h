// Watchdog: whether a worker still turns its loop. A worker counts up in memory that it shares with
// the supervisor (ConnectionCounts::beat), and the supervisor looks at the number from time to
// time.
//
// Time is counted by looks: between two of them passes no more than twice the interval at which
// they are due. So nobody is blamed where the supervisor itself stood still as well: a machine that
// was suspended, a tree of processes that was stopped.
#pragma once

#include "core/base/time.h"

#include <cstdint>

namespace godwit::daemon {

struct WatchLimits {
  WatchLimits() = default;  // nobody looks
  // From worker_patience; zero: nobody looks.
  explicit WatchLimits(Seconds patience) noexcept;

  bool is_on() const noexcept { return interval.count > 0; }

  Millis interval;  // of beats, and of looks
  Millis notice;    // silent for so long: new connections go elsewhere
  Millis abort;     // worker_patience
  Millis kill;
};

class Watchdog {
 public:
  enum class Step : uint8_t { none, hangs, goes_on, abort, kill };

  // What is to be done about a worker that has counted up to `beats`; each step once.
  Step look(Instant now, uint32_t beats, const WatchLimits& limits) noexcept;
  // It is not its fault: the time starts anew.
  void forgive() noexcept;
  // How long it has been silent, or was before it went on.
  Millis silent() const noexcept { return stage_ == Stage::turns ? was_silent_ : silent_; }

 private:
  enum class Stage : uint8_t { unknown, turns, hangs, aborted, killed };

  Step next_step(const WatchLimits& limits) noexcept;

  Stage stage_ = Stage::unknown;
  uint32_t beats_ = 0;
  Instant looked_at_;
  Millis silent_;
  Millis was_silent_;
};

}  // namespace godwit::daemon
