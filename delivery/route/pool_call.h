// Blocking calls (files, the password database) of code that runs on a fiber.
#pragma once

#include "acl/expand/services.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"
#include "core/io/task.h"

#include <optional>
#include <type_traits>
#include <utility>

namespace godwit::delivery {

template <class F>
Task<std::invoke_result_t<F&>> pool_task(Loop& loop, F call) {
  auto value = co_await blocking(loop, std::move(call));
  co_return value;
}

// Runs `call` on the thread pool and waits for it on the current fiber. Nothing where there is no
// fiber or no loop: what was to be known could not be asked.
template <class F>
std::optional<std::invoke_result_t<F&>> call_on_pool(const acl::Services* services, F call) {
  if (services == nullptr || services->loop == nullptr || !Fiber::is_current()) return std::nullopt;
  return wait_for(pool_task(*services->loop, std::move(call)));
}

inline constexpr const char* kCannotWait = "cannot ask the system here";

}  // namespace godwit::delivery
