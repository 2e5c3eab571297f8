// Scope: owns tasks that run beside their spawner. Whoever owns the state that a task uses owns the
// Scope, and awaits join() before that state goes away. There is no detach.
#pragma once

#include "core/base/assert.h"
#include "core/base/block_pool.h"
#include "core/io/task.h"

#include <coroutine>
#include <cstddef>
#include <utility>

namespace godwit {

class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { GODWIT_ASSERT(running_ == 0); }

  // Starts the task now; it runs to its first suspension before spawn returns.
  void spawn(Task<void> task) {
    ++running_;
    drive(*this, std::move(task));
  }
  size_t running() const noexcept { return running_; }

  // Completes when no task is left. One waiter at a time.
  auto join() noexcept {
    struct Awaiter {
      Scope& scope;
      bool await_ready() const noexcept { return scope.running_ == 0; }
      void await_suspend(std::coroutine_handle<> waiter) noexcept {
        GODWIT_ASSERT(!scope.joiner_);
        scope.joiner_ = waiter;
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

 private:
  // Frees itself at its end.
  struct Driver {
    struct promise_type : PooledFrame {
      Driver get_return_object() noexcept { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept {
        GODWIT_UNREACHABLE("an exception left a spawned task");
      }
    };
  };
  static Driver drive(Scope& scope, Task<void> task) {
    {
      Task<void> owned = std::move(task);
      co_await owned;
    }
    scope.left();
  }
  void left() {
    GODWIT_ASSERT(running_ > 0);
    --running_;
    if (running_ == 0 && joiner_) std::exchange(joiner_, {}).resume();
  }

  size_t running_ = 0;
  std::coroutine_handle<> joiner_;
};

}  // namespace godwit
