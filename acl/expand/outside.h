// What evaluators ask of the machine: files, commands, sockets. All of them wait on the current
// fiber; where there is none, or no loop, the answer is "could not ask".
#pragma once

#include "acl/expand/arguments.h"
#include "acl/expand/services.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

namespace godwit::acl {

inline constexpr size_t kReadFileBytesMax = 4u << 20;  // ${readfile, ${readsocket, ${run
inline constexpr Seconds kRunTimeout{60};              // for the output of ${run
inline constexpr Seconds kSocketTimeout{5};            // ${readsocket without a time

// The loop to wait on; null, with context.error set, where waiting is not possible.
Loop* loop_for_waiting(EvalContext& context, std::string_view what);

// Runs `call` on a pool thread and waits for it.
template <class F>
Task<std::invoke_result_t<F&>> pool_task(Loop& loop, F& call) {
  auto body = std::ref(call);
  co_return co_await blocking(loop, body);
}
template <class F>
std::invoke_result_t<F&> on_pool(Loop& loop, F call) {
  return wait_for(pool_task(loop, call));
}

// Adds what was read; line ends become args[eol], where it was given.
void append_lines(std::string_view text, const std::vector<Value>& args, size_t eol,
                  std::string& out);
// ${stat
EvalStatus append_file_facts(const std::string& path, EvalContext& context, std::string& out);
// exists: `answer` is false where the file is not there; deferred where that cannot be known.
EvalStatus file_exists(const std::string& path, EvalContext& context, bool& answer);

}  // namespace godwit::acl
