// How often operator new was called in this program: what a benchmark says of its allocations.
#pragma once

#include <cstdint>

namespace godwit {

uint64_t allocations() noexcept;

}  // namespace godwit
