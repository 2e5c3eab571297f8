// Timers: every deadline of a loop in one binary heap over the Clock seam. The loop arms one libuv
// timer for the earliest; a simulation calls run_due() itself after it moved its clock.
//
// A TimerNode is owned by whoever waits. Moving a deadline later costs nothing: the node keeps its
// place in the heap and is put right when it comes up. So a session may push its read deadline with
// every line that it reads.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/io/cancel.h"
#include "core/io/clock.h"

#include <coroutine>
#include <cstddef>
#include <vector>

namespace godwit {

class Timers;

class TimerNode {
 public:
  // `on_fire(self)` is called once for each deadline that is set and passes.
  TimerNode(void (*on_fire)(void* self) noexcept, void* self) noexcept
      : on_fire_(on_fire), self_(self) {}
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  ~TimerNode();

  bool is_armed() const noexcept { return deadline_ != Instant::never(); }
  // Forgets the deadline; on_fire is not called. The node may stay in the heap until it comes up.
  void disarm() noexcept { deadline_ = Instant::never(); }

 private:
  friend class Timers;
  static constexpr size_t kNotInHeap = static_cast<size_t>(-1);
  void (*on_fire_)(void* self) noexcept;
  void* self_;
  Timers* timers_ = nullptr;
  Instant deadline_ = Instant::never();
  Instant key_ = Instant::never();  // the heap's order; never later than deadline_
  size_t index_ = kNotInHeap;
};

class Timers {
 public:
  explicit Timers(const Clock& clock) : clock_(clock) {}
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;
  ~Timers();

  const Clock& clock() const noexcept { return clock_; }
  // Arms or moves `node`. A deadline that has passed fires in the next run_due().
  void set(TimerNode& node, Instant deadline);
  // Fires everything due, or what there is time for (stop_when); the first always. Nodes may be
  // armed, disarmed and destroyed from on_fire.
  void run_due();
  // The earliest moment at which run_due() may have something to do; never() where nothing waits.
  Instant earliest() const noexcept {
    return heap_.empty() ? Instant::never() : heap_.front()->key_;
  }

  // `is_late` is asked between two that fire; what is left stays due. Without it all of them do.
  void stop_when(bool (*is_late)(void* self) noexcept, void* self) noexcept {
    is_late_ = is_late;
    is_late_self_ = self;
  }

  // Called when earliest() became earlier; the loop re-arms its libuv timer.
  void on_earlier(void (*callback)(void* self) noexcept, void* self) noexcept {
    on_earlier_ = callback;
    on_earlier_self_ = self;
  }

 private:
  friend class TimerNode;
  void remove(TimerNode& node) noexcept;
  void sift_up(size_t index) noexcept;
  void sift_down(size_t index) noexcept;
  void place(size_t index, TimerNode* node) noexcept;

  const Clock& clock_;
  std::vector<TimerNode*> heap_;
  void (*on_earlier_)(void* self) noexcept = nullptr;
  void* on_earlier_self_ = nullptr;
  bool (*is_late_)(void* self) noexcept = nullptr;
  void* is_late_self_ = nullptr;
};

// co_await Sleep(timers, delay, &cancel): true after the delay, false where it was cancelled.
class [[nodiscard]] Sleep {
 public:
  Sleep(Timers& timers, Millis delay, CancelSource* cancel = nullptr) noexcept
      : timers_(timers), delay_(delay), cancel_(cancel), node_(&Sleep::on_fire, this) {}

  bool await_ready() const noexcept { return cancel_ != nullptr && cancel_->is_cancelled(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    if (cancel_ != nullptr) cancel_waiter_.arm(*cancel_, &Sleep::on_cancel, this);
    timers_.set(node_, timers_.clock().now() + delay_);
  }
  bool await_resume() const noexcept { return cancel_ == nullptr || !cancel_->is_cancelled(); }

 private:
  static void on_fire(void* self) noexcept {
    auto* sleep = static_cast<Sleep*>(self);
    sleep->cancel_waiter_.disarm();
    sleep->waiter_.resume();
  }
  static void on_cancel(void* self) noexcept {
    auto* sleep = static_cast<Sleep*>(self);
    sleep->node_.disarm();
    sleep->waiter_.resume();
  }

  Timers& timers_;
  Millis delay_;
  CancelSource* cancel_;
  TimerNode node_;
  CancelWaiter cancel_waiter_;
  std::coroutine_handle<> waiter_;
};

}  // namespace godwit
