// Fibers: plain code, deep in calls, that waits for a task on a stack of its own while the loop
// runs on. Evaluators use them (expansions, lists, ACLs, routers): the same functions serve trees
// that only compute and trees that ask, and a tree that never asks costs two jumps, no frame.
//
//   const EvalResult result = co_await on_fiber([&] { return expansion.evaluate(context); });
//   ... and somewhere inside evaluate():  Result<Answer> answer = wait_for(lookup.find(key));
//
// A fiber belongs to the loop's thread. What the body refers to must outlive the co_await. Nothing
// is destroyed from outside: whoever cancels wakes the awaitable that the fiber waits for, which
// then completes with Errc::cancelled. Stacks are mapped with a guard page and kept for the next
// fiber; running out of memory for one ends the process, as it does for any allocation.
#pragma once

#include "core/base/assert.h"
#include "core/base/block_pool.h"
#include "core/io/task.h"

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace godwit {

inline constexpr size_t kFiberStackBytes = 1u << 20;  // of address space; pages are used as touched
inline constexpr size_t kIdleFibersMax = 64;          // stacks kept for the next fibers

class Fiber {
 public:
  // True where wait_for() may be called.
  static bool is_current() noexcept;

 private:
  template <class F>
  friend class OnFiber;
  template <class T>
  friend T wait_for(Task<T> task);

  // Runs `body(argument)` until it first waits or ends. Null: it has ended. Otherwise the fiber,
  // whose waiter is resumed when the body ends.
  static Fiber* start(void (*body)(void* argument), void* argument);
  void set_waiter(std::coroutine_handle<> waiter) noexcept;
  // From the fiber's own stack: back to whoever started or resumed it.
  static void suspend() noexcept;
  // Goes on with the suspended fiber.
  void resume();
  static Fiber* current() noexcept;

  friend struct FiberSwitch;
  Fiber() = default;
};

// Waits for `task` on the current fiber.
template <class T>
T wait_for(Task<T> task) {
  struct Waiting {
    struct promise_type : PooledFrame {
      Waiting get_return_object() noexcept { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept { GODWIT_UNREACHABLE("an exception left a task"); }
    };
    static Waiting run(Task<T>& awaited, std::optional<T>& value, Fiber*& suspended) {
      value.emplace(co_await awaited);
      // The fiber may end the task and its own caller; nothing here is touched after it.
      if (suspended != nullptr) suspended->resume();
    }
  };
  GODWIT_ASSERT(Fiber::is_current());
  std::optional<T> value;
  Fiber* suspended = nullptr;
  Waiting::run(task, value, suspended);
  if (!value) {
    suspended = Fiber::current();
    Fiber::suspend();
  }
  return std::move(*value);
}

// co_await on_fiber(callable): runs `callable` on a fiber and gives what it returned.
template <class F>
class [[nodiscard]] OnFiber {
 public:
  using Value = std::invoke_result_t<F&>;
  static_assert(!std::is_void_v<Value>, "the body of a fiber returns something");

  explicit OnFiber(F call) : call_(std::move(call)) {}
  OnFiber(const OnFiber&) = delete;
  OnFiber& operator=(const OnFiber&) = delete;

  bool await_ready() {
    fiber_ = Fiber::start(&OnFiber::run, this);
    return fiber_ == nullptr;
  }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { fiber_->set_waiter(waiter); }
  Value await_resume() { return std::move(*value_); }

 private:
  static void run(void* self) {
    auto& me = *static_cast<OnFiber*>(self);
    me.value_.emplace(me.call_());
  }

  F call_;
  Fiber* fiber_ = nullptr;
  std::optional<Value> value_;
};

template <class F>
OnFiber<F> on_fiber(F call) {
  return OnFiber<F>(std::move(call));
}

}  // namespace godwit
