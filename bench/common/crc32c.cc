#include "bench/common/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace godwit::bench {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reversed

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_sse(uint32_t crc,
                                                      std::string_view bytes) noexcept {
  uint64_t state = ~crc;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    state = __builtin_ia32_crc32di(state, word);
  }
  auto tail = static_cast<uint32_t>(state);
  for (; at < bytes.size(); ++at)
    tail = __builtin_ia32_crc32qi(tail, static_cast<unsigned char>(bytes[at]));
  return ~tail;
}
#endif

}  // namespace

uint32_t crc32c_portable(uint32_t crc, std::string_view bytes) noexcept {
  uint32_t state = ~crc;
  for (const char c : bytes)
    state = (state >> 8) ^ kTable[(state ^ static_cast<unsigned char>(c)) & 0xff];
  return ~state;
}

uint32_t crc32c(uint32_t crc, std::string_view bytes) noexcept {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return crc32c_sse(crc, bytes);
#endif
  return crc32c_portable(crc, bytes);
}

}  // namespace godwit::bench
