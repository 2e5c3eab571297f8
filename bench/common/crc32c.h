// CRC-32C (Castagnoli), with the processor's instruction where it has one: what the sink checks
// message bodies with. Not for secrets.
#pragma once

#include <cstdint>
#include <string_view>

namespace godwit::bench {

// Continues `crc` (0 at the start) over `bytes`.
uint32_t crc32c(uint32_t crc, std::string_view bytes) noexcept;
// The same without special instructions; for the test and for other processors.
uint32_t crc32c_portable(uint32_t crc, std::string_view bytes) noexcept;

}  // namespace godwit::bench
