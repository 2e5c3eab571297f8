// CRC-32C (Castagnoli), with the processor's instruction where it has one. Safe on any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace godwit::spool {

// Continues `crc` (0 or a seed at first) over `bytes`: crc32c(crc32c(s, a), b) == crc32c(s, a + b).
uint32_t crc32c(uint32_t crc, std::string_view bytes) noexcept;
// The same without the instruction; for the test that compares both.
uint32_t crc32c_portable(uint32_t crc, std::string_view bytes) noexcept;

}  // namespace godwit::spool
