// Loop: one libuv event loop with its clock, its timers and its thread pool. One a process.
// Everything here belongs to the loop's thread, except the body of a job.
// A loop in virtual time is for simulations: it never waits for the machine.
#pragma once

#include "core/io/clock.h"
#include "core/io/later.h"
#include "core/io/timers.h"

#include <coroutine>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

struct uv_loop_s;

namespace godwit {

class Loop;

// Work for the end of the current loop turn, just before the loop waits for events: one log write,
// one commit for everything that the turn produced. Owned by its user, who outlives the pending
// call.
class TurnEnd {
 public:
  TurnEnd(void (*run)(void* self) noexcept, void* self) noexcept : run_(run), self_(self) {}
  TurnEnd(const TurnEnd&) = delete;
  TurnEnd& operator=(const TurnEnd&) = delete;
  bool is_pending() const noexcept { return pending_; }

 private:
  friend class Loop;
  void (*run_)(void* self) noexcept;
  void* self_;
  TurnEnd* next_ = nullptr;
  bool pending_ = false;
};

// A piece of blocking work. run() is called on a pool thread, finished() on the loop's thread.
class Job {
 public:
  virtual ~Job() = default;
  virtual void run() noexcept = 0;
  virtual void finished() noexcept = 0;
};

// How long the loop was busy at a stretch, between two waits for events: no event was taken up
// later than that.
struct TurnStats {
  static constexpr int64_t kSlowMicros = 10'000;
  int64_t longest_micros = 0;
  int64_t longest_cpu_micros = 0;  // of the processor: what others on the machine take is not in it
  uint64_t slow = 0;               // turns over kSlowMicros
};

// Time that a simulation moves. Jobs run on the loop's own thread, in the order of their
// submission, and take `job_time` each. Sockets and child processes have no place there.
struct VirtualTime {
  ManualClock& clock;  // outlives the loop
  Millis job_time{0};
};

class Loop {
 public:
  Loop();
  // Where nothing is left to do at a moment, the clock jumps to the next timer.
  explicit Loop(VirtualTime time);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  // Every handle must be closed or closing; asserts that libuv finds nothing alive.
  ~Loop();

  const Clock& clock() const noexcept { return clock_; }
  Timers& timers() noexcept { return timers_; }

  // Runs until stop() or until nothing is left to wait for.
  void run();
  // One turn that waits for events; for tests and for draining. In virtual time: the work of the
  // end of a turn, or what the next timer brings.
  void run_once();
  // One turn that does not wait.
  void poll();
  void stop() noexcept;

  // True where this turn has been busy for long enough: what can wait should. Each part of a turn
  // (what the system reports, timers, what was put off) has a time of its own, so that none starves
  // another. Asked between pieces of work, each well under a millisecond. Never true in virtual
  // time.
  bool is_late() noexcept;
  // For pieces that cost little more than the question, like a read: only every kLooks-th one looks
  // at the clock.
  bool is_roughly_late() noexcept;
  // Runs `later` in the next turn.
  void put_off(Later& later) noexcept;

  // Calls `hook` before the loop next waits. A hook that is pending already stays once.
  void at_turn_end(TurnEnd& hook) noexcept;
  // Hands `job` to the thread pool. The job must live until finished() was called.
  void submit(Job& job);
  size_t jobs_in_flight() const noexcept { return jobs_in_flight_; }
  // Of the turns since the last call.
  TurnStats take_turn_stats() noexcept { return std::exchange(turn_stats_, TurnStats{}); }

  uv_loop_s* uv() noexcept;
  // Where every stream of the loop reads into; its content is valid until the next read anywhere.
  char* read_buffer() noexcept { return read_buffer_.get(); }
  static constexpr size_t kReadBufferBytes = 64 * 1024;

 private:
  friend struct LoopCallbacks;
  struct Handles;

  struct VirtualJob {
    Instant due;
    Job* job;
  };

  void init_handles() noexcept;
  void arm_timer() noexcept;
  void run_turn_end() noexcept;
  void measure_turn() noexcept;
  void begin_part(uint64_t now) noexcept;
  void run_put_off() noexcept;
  void turn_in_virtual_time();
  void run_virtual_jobs() noexcept;

  SystemClock system_clock_;
  ManualClock* manual_clock_ = nullptr;  // in virtual time only
  const Clock& clock_;
  Timers timers_;
  std::unique_ptr<Handles> handles_;
  std::unique_ptr<char[]> read_buffer_;
  TurnEnd* turn_end_first_ = nullptr;
  TurnEnd* turn_end_last_ = nullptr;
  size_t jobs_in_flight_ = 0;
  TurnStats turn_stats_;
  static constexpr unsigned kLooks = 4;
  uint64_t turn_began_ = 0;  // nanoseconds; 0: nothing has come up in this turn
  uint64_t part_began_ = 0;  // of the turn; 0: nothing has come up in this part
  unsigned looks_ = 0;       // questions of this part
  bool late_ = false;        // what the last look at the clock said
  uint64_t cpu_seen_at_ = 0;
  uint64_t cpu_seen_ = 0;  // of the thread, at that time
  LaterList put_off_;
  std::deque<VirtualJob> virtual_jobs_;
  Millis virtual_job_time_{0};
  TimerNode virtual_job_timer_;
};

// co_await yield(loop): goes on in the next turn, behind what has waited longer.
// co_await yield_if_late(loop): only where this turn is late.
class [[nodiscard]] Yield {
 public:
  Yield(Loop& loop, bool is_needed) noexcept
      : loop_(loop), is_needed_(is_needed), later_(&Yield::on_turn, this) {}

  bool await_ready() const noexcept { return !is_needed_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    waiter_ = waiter;
    loop_.put_off(later_);
  }
  void await_resume() const noexcept {}

 private:
  static void on_turn(void* self) noexcept { static_cast<Yield*>(self)->waiter_.resume(); }

  Loop& loop_;
  bool is_needed_;
  Later later_;
  std::coroutine_handle<> waiter_;
};

inline Yield yield(Loop& loop) noexcept {
  return {loop, true};
}
inline Yield yield_if_late(Loop& loop) noexcept {
  return {loop, loop.is_late()};
}

// co_await blocking(loop, callable): runs `callable` on a pool thread and gives what it returned.
// The callable must own or outlive what it touches, and must not throw.
template <class F>
class [[nodiscard]] BlockingCall final : Job {
 public:
  using Value = std::invoke_result_t<F&>;
  static_assert(!std::is_void_v<Value>, "a job returns its Result");

  BlockingCall(Loop& loop, F call) : loop_(loop), call_(std::move(call)) {}
  BlockingCall(const BlockingCall&) = delete;
  BlockingCall& operator=(const BlockingCall&) = delete;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    loop_.submit(*this);
  }
  Value await_resume() { return std::move(*value_); }

 private:
  void run() noexcept override { value_.emplace(call_()); }
  void finished() noexcept override { waiter_.resume(); }

  Loop& loop_;
  F call_;
  std::optional<Value> value_;
  std::coroutine_handle<> waiter_;
};

template <class F>
BlockingCall<F> blocking(Loop& loop, F call) {
  return BlockingCall<F>(loop, std::move(call));
}

}  // namespace godwit
