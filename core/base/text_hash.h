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
    constexpr size_t kWord = sizeof(uint64_t);
    constexpr size_t kStep = 2 * kWord;
    const char* at = text.data();
    uint64_t hash = (text.size() + 1) * kFirst;
    size_t left = text.size();
    for (; left > kStep; left -= kStep, at += kStep) {
      hash = fold(word_at(at, kWord) ^ kSecond, word_at(at + kWord, kWord) ^ hash);
    }
    // What is left; of two words the second may show bytes of the first again.
    if (left <= kWord) return fold(word_at(at, left) ^ kSecond, hash);
    return fold(word_at(at, kWord) ^ kSecond, word_at(at + left - kWord, kWord) ^ hash);
  }

 private:
  // Odd, with as many ones as zeros.
  static constexpr uint64_t kFirst = 0x9e3779b97f4a7c15u;
  static constexpr uint64_t kSecond = 0xe7037ed1a0b428dbu;

  static uint64_t word_at(const char* at, size_t bytes) noexcept {
    uint64_t word = 0;
    if (bytes > 0) std::memcpy(&word, at, bytes);
    return word;
  }
  // Both halves of the product: every bit of either number has its part in it.
  static uint64_t fold(uint64_t a, uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
};

}  // namespace godwit
