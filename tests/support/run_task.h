// Runs one task to its end on a loop, for tests of real I/O.
#pragma once

#include "core/io/loop.h"
#include "core/io/scope.h"
#include "core/io/task.h"

#include <optional>

namespace godwit::test {

namespace detail {
template <class T>
Task<void> capture(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await task);
}
}  // namespace detail

// The loop may go on with other work; this turns it until the task is done.
template <class T>
T run_task(Loop& loop, Task<T> task) {
  std::optional<T> out;
  Scope scope;
  scope.spawn(detail::capture(std::move(task), out));
  while (!out) loop.run_once();
  return std::move(*out);
}

}  // namespace godwit::test
