// ByteWalk: where certain bytes stand in a text, one after the other, found 32 bytes at a time.
// For bytes that come often, as line ends do: a call of memchr for each costs more than the line.
// Lifetime: keeps a view of the text.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace godwit {

template <char... kSought>
class ByteWalk {
 public:
  explicit ByteWalk(std::string_view text) noexcept : text_(text), found_(found_at(0)) {}

  // Offset of the first sought byte at `at` or behind it; the text's size where there is none.
  // `at` never goes back.
  size_t next(size_t at) noexcept {
    if (at - block_ >= kBlockBytes) {
      if (at >= text_.size()) return text_.size();
      block_ = at;
      found_ = found_at(at);
    }
    uint32_t left = found_ & (~uint32_t{0} << (at - block_));
    while (left == 0) {
      if (text_.size() - block_ <= kBlockBytes) return text_.size();
      block_ += kBlockBytes;
      left = found_ = found_at(block_);
    }
    return block_ + static_cast<size_t>(std::countr_zero(left));
  }

 private:
  static constexpr size_t kBlockBytes = 32;

  // A bit for each byte of the block, the first byte's the lowest.
  uint32_t found_at(size_t offset) const noexcept {
    const char* const at = text_.data() + offset;
    const size_t bytes = text_.size() - offset;
#if defined(__SSE2__)
    if (bytes >= kBlockBytes) return found_in_16(at) | found_in_16(at + 16) << 16;
#endif
    uint32_t found = 0;
    for (size_t i = 0; i < kBlockBytes && i < bytes; ++i) {
      found |= static_cast<uint32_t>(((at[i] == kSought) || ...)) << i;
    }
    return found;
  }
#if defined(__SSE2__)
  static uint32_t found_in_16(const char* at) noexcept {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i found = (_mm_cmpeq_epi8(bytes, _mm_set1_epi8(kSought)) | ...);
    return static_cast<uint32_t>(_mm_movemask_epi8(found));
  }
#endif

  std::string_view text_;
  size_t block_ = 0;  // where the block starts that `found_` is of
  uint32_t found_;
};

using LineEndWalk = ByteWalk<'\r', '\n'>;
using LineFeedWalk = ByteWalk<'\n'>;

}  // namespace godwit
