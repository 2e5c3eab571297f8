// Task<T>: a lazy coroutine with one owner, awaited once. Its frame dies when its result is taken
// or its Task is destroyed. A Task may be destroyed while it is suspended only if nothing else
// still holds a pointer into its frame: the awaitables of core/io unregister themselves.
//
//   Task<Result<int>> f() {
//     const std::string line = co_await ok(read_line());   // an error leaves f with that error
//     co_return 7;
//   }
//
// ok(task or result) yields the value, or completes the enclosing Task<Result<...>> with the error.
// The awaiter starts its child in await_ready and only a real suspension stores the parent, so that
// a loop over tasks that complete at once does not grow the stack on any compiler.
#pragma once

#include "core/base/assert.h"
#include "core/base/block_pool.h"
#include "core/base/result.h"

#include <coroutine>
#include <optional>
#include <utility>

namespace godwit {

template <class T>
class Task;

namespace task_detail {

// Who goes on when a task completes. `pick` may hand an error straight to the parent's parent.
struct Continuation {
  std::coroutine_handle<> parent;
  std::coroutine_handle<> (*pick)(void* child_promise, std::coroutine_handle<> parent) = nullptr;
};

struct PromiseBase : PooledFrame {
  Continuation next;

  std::suspend_always initial_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { GODWIT_UNREACHABLE("an exception left a coroutine"); }
};

template <class Promise>
struct FinalAwaiter {
  bool await_ready() noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
    return self.promise().successor();
  }
  void await_resume() noexcept {}
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> result;

  Task<T> get_return_object();
  FinalAwaiter<Promise> final_suspend() noexcept { return {}; }
  template <class U>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  bool has_result() const noexcept { return result.has_value(); }
  std::coroutine_handle<> successor() noexcept {
    if (!next.parent) return std::noop_coroutine();
    return next.pick != nullptr ? next.pick(this, next.parent) : next.parent;
  }
};

template <>
struct Promise<void> : PromiseBase {
  bool finished = false;

  Task<void> get_return_object();
  FinalAwaiter<Promise> final_suspend() noexcept { return {}; }
  void return_void() noexcept { finished = true; }
  bool has_result() const noexcept { return finished; }
  std::coroutine_handle<> successor() noexcept {
    return next.parent ? next.parent : std::noop_coroutine();
  }
};

}  // namespace task_detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // For whoever drives a task without awaiting it: tests and Scope.
  void start() { handle_.resume(); }
  bool done() const noexcept { return handle_.promise().has_result(); }
  T take() {
    GODWIT_ASSERT(done());
    if constexpr (std::is_void_v<T>) {
      std::exchange(handle_, {}).destroy();
    } else {
      T value = std::move(*handle_.promise().result);
      std::exchange(handle_, {}).destroy();
      return value;
    }
  }
  promise_type& promise() { return handle_.promise(); }

  bool await_ready() {
    start();
    return done();
  }
  void await_suspend(std::coroutine_handle<> parent) noexcept { promise().next = {parent}; }
  T await_resume() { return take(); }

 private:
  Handle handle_;
};

namespace task_detail {

template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

// Completes the enclosing task with `error` and says who goes on instead of it.
template <class ParentPromise>
std::coroutine_handle<> leave_with(Error& error, std::coroutine_handle<ParentPromise> parent) {
  parent.promise().result.emplace(std::move(error));
  return parent.promise().successor();
}

template <class T>
class [[nodiscard]] OkTask {
 public:
  explicit OkTask(Task<Result<T>> task) noexcept : task_(std::move(task)) {}

  bool await_ready() {
    task_.start();
    return task_.done() && task_.promise().result->has_value();
  }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) {
    if (task_.done()) return leave_with(task_.promise().result->error(), parent);
    task_.promise().next = {parent, &OkTask::template pick<P>};
    return std::noop_coroutine();
  }
  T await_resume() {
    if constexpr (std::is_void_v<T>) {
      task_.take().value();
    } else {
      return std::move(task_.take()).value();
    }
  }

 private:
  template <class P>
  static std::coroutine_handle<> pick(void* child, std::coroutine_handle<> parent) {
    auto& promise = *static_cast<Promise<Result<T>>*>(child);
    if (promise.result->has_value()) return parent;
    return leave_with(promise.result->error(),
                      std::coroutine_handle<P>::from_address(parent.address()));
  }

  Task<Result<T>> task_;
};

template <class T>
class [[nodiscard]] OkResult {
 public:
  explicit OkResult(Result<T> result) noexcept : result_(std::move(result)) {}

  bool await_ready() const noexcept { return result_.has_value(); }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) {
    return leave_with(result_.error(), parent);
  }
  T await_resume() {
    if constexpr (std::is_void_v<T>) {
      result_.value();
    } else {
      return std::move(result_).value();
    }
  }

 private:
  Result<T> result_;
};

}  // namespace task_detail

template <class T>
task_detail::OkTask<T> ok(Task<Result<T>> task) {
  return task_detail::OkTask<T>(std::move(task));
}
template <class T>
task_detail::OkResult<T> ok(Result<T> result) {
  return task_detail::OkResult<T>(std::move(result));
}

}  // namespace godwit
