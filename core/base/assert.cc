#include "core/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace godwit {

void panic(const char* file, int line, const char* text) noexcept {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, text);
  std::abort();
}

}  // namespace godwit
