// Event: something that happens once and that one task waits for.
#pragma once

#include "core/base/assert.h"

#include <coroutine>
#include <utility>

namespace godwit {

class Event {
 public:
  bool is_set() const noexcept { return set_; }
  void set() {
    set_ = true;
    if (waiter_) std::exchange(waiter_, {}).resume();
  }
  bool await_ready() const noexcept { return set_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    GODWIT_ASSERT(!waiter_);
    waiter_ = waiter;
  }
  void await_resume() const noexcept {}

 private:
  std::coroutine_handle<> waiter_;
  bool set_ = false;
};

}  // namespace godwit
