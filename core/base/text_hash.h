// TextHash: a quick hash of texts for tables whose keys strangers do not choose (it has no secret).
// For std::unordered_map with std::equal_to<>, which then finds views, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace godwit {

struct TextHash {
  using is_transparent = void;

  // Not noexcept: libstdc++ then keeps the hash in each node instead of making it again.
  size_t operator()(std::string_view text) const {
    constexpr size_t kStep = sizeof(uint64_t);
    uint64_t hash = mix(0, text.size());
    uint64_t word = 0;
    if (text.size() < kStep) {
      std::memcpy(&word, text.data(), text.size());
      return mix(hash, word);
    }
    for (size_t at = 0; at + kStep < text.size(); at += kStep) {
      std::memcpy(&word, text.data() + at, kStep);
      hash = mix(hash, word);
    }
    // The last eight bytes, some of them for the second time.
    std::memcpy(&word, text.data() + text.size() - kStep, kStep);
    return mix(hash, word);
  }

 private:
  static uint64_t mix(uint64_t hash, uint64_t word) noexcept {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
  }
};

}  // namespace godwit
