// Work of lookups that blocks goes to the thread pool, only so much of it at once: the spool needs
// the pool as well. And work that several fibers want at the same time is done once.
#pragma once

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"
#include "core/io/task.h"

#include <coroutine>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace godwit::acl {

class LookupPool {
 public:
  explicit LookupPool(Loop& loop) : loop_(loop) {}

  // Runs `call`, which gives a Result and owns what it touches, on a pool thread and waits for it
  // on the current fiber. `what` names the work where it cannot wait.
  template <class F>
  std::invoke_result_t<F&> run(std::string_view what, F call) {
    if (!Fiber::is_current()) return must_wait(what);
    return wait_for(task(std::move(call)));
  }

  // The same for a task.
  template <class F>
  Task<std::invoke_result_t<F&>> task(F call) {
    if (running_ < kPoolJobsMax) {
      ++running_;
    } else if (waiters_.size() < kPoolWaitersMax) {
      co_await Turn{*this};
    } else {
      co_return deferred("too many lookups wait for the thread pool");
    }
    auto result = co_await blocking(loop_, std::move(call));
    pass_on();
    co_return result;
  }

 private:
  struct Turn {
    LookupPool& pool;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) { pool.waiters_.push_back(waiter); }
    void await_resume() const noexcept {}
  };
  // The place of a job that ended goes to who waits longest.
  void pass_on() {
    if (waiters_.empty()) {
      --running_;
      return;
    }
    const std::coroutine_handle<> next = waiters_.front();
    waiters_.pop_front();
    next.resume();
  }

  Loop& loop_;
  int running_ = 0;
  std::deque<std::coroutine_handle<>> waiters_;
};

// The same work, asked for by several fibers at once, is done by the first; the others get a copy
// of its result. T is a Result.
template <class T>
class SharedWork {
 public:
  template <class F>
  T get(const std::string& key, F work) {
    const auto place = flights_.find(key);
    if (place != flights_.end()) {
      if (!Fiber::is_current()) return must_wait("a lookup that is on its way");
      return wait_for(join(place->second));
    }
    const auto flight = std::make_shared<Flight>();
    flights_.emplace(key, flight);
    T result = work();
    flights_.erase(key);
    flight->result.emplace(result);
    for (const std::coroutine_handle<> waiter : std::exchange(flight->waiters, {})) waiter.resume();
    return result;
  }

 private:
  struct Flight {
    std::optional<T> result;
    std::vector<std::coroutine_handle<>> waiters;
  };
  struct Landing {
    Flight& flight;
    bool await_ready() const noexcept { return flight.result.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter) { flight.waiters.push_back(waiter); }
    void await_resume() const noexcept {}
  };
  static Task<T> join(std::shared_ptr<Flight> flight) {
    co_await Landing{*flight};
    co_return *flight->result;
  }

  std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace godwit::acl
