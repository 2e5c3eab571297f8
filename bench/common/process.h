// What the test programs ask of their own process.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::bench {

// Raises the limit of open files as far as the system allows.
void raise_descriptor_limit() noexcept;
// User and system time that this process used so far, in microseconds.
int64_t cpu_micros() noexcept;
// The name that this machine gives itself, or "localhost".
std::string machine_name();
// Sets the sizes of a socket's buffers (Postfix's -T). Nothing for 0.
void set_window(int descriptor, int bytes) noexcept;
// Replaces `path` by `content`.
Result<void> write_file(const std::string& path, std::string_view content);
Result<std::string> read_whole_file(const std::string& path);

}  // namespace godwit::bench
