#include "core/base/random.h"

#include "core/base/assert.h"

#include <sys/random.h>

namespace godwit {
namespace {

uint64_t rotate_left(uint64_t value, int bits) noexcept {
  return (value << bits) | (value >> (64 - bits));
}

// Spreads a small seed over the whole state (Steele, Lea, Flood: SplitMix64).
uint64_t split_mix(uint64_t& state) noexcept {
  uint64_t z = (state += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(uint64_t seed) noexcept {
  for (uint64_t& word : state_) word = split_mix(seed);
}

Random Random::from_system() {
  uint64_t seed = 0;
  GODWIT_ASSERT(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return Random(seed);
}

uint64_t Random::next() noexcept {
  const uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate_left(state_[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) noexcept {
  GODWIT_ASSERT(bound > 0);
  return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

double Random::fraction() noexcept {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

}  // namespace godwit
