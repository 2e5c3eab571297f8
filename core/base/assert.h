// Assertions for our own mistakes: always on, they print where and stop the process.
// Never reachable from bytes of the network, a configuration or a spool file: those give an Error.
#pragma once

namespace godwit {

// Prints "file:line: assertion failed: text" on standard error and aborts.
[[noreturn]] void panic(const char* file, int line, const char* text) noexcept;

}  // namespace godwit

#define GODWIT_ASSERT(condition) \
  (static_cast<bool>(condition) ? void(0) : ::godwit::panic(__FILE__, __LINE__, #condition))
#define GODWIT_UNREACHABLE(text) ::godwit::panic(__FILE__, __LINE__, text)
