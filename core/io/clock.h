// The clock as a collaborator. Simulations and tests pass a ManualClock and move it themselves.
#pragma once

#include "core/base/time.h"

namespace godwit {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;    // monotonic
  virtual WallTime wall() const = 0;  // time of day
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  WallTime wall() const override;
};

// Stands still until somebody moves it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start) : wall_(start) {}
  Instant now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  void advance(Millis by) {
    now_ = now_ + by;
    wall_ = wall_ + by;
  }
  void advance_to(Instant moment) {
    wall_.micros += moment.micros - now_.micros;
    now_ = moment;
  }
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  Instant now_{1'000'000};
  WallTime wall_;
};

}  // namespace godwit
