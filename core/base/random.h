// Randomness as a collaborator: ids, jitter, shuffles. Tests pass a seed and get the same run
// again.
#pragma once

#include <cstdint>

namespace godwit {

class Random {
 public:
  // xoshiro256**; not for secrets.
  explicit Random(uint64_t seed) noexcept;
  // Seeded by the operating system.
  static Random from_system();

  uint64_t next() noexcept;
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound) noexcept;
  // Uniform in [0, 1).
  double fraction() noexcept;

 private:
  uint64_t state_[4];
};

}  // namespace godwit
