#include "core/io/loop.h"

#include "core/base/assert.h"

#include <uv.h>

#include <algorithm>
#include <ctime>

namespace godwit {

struct Loop::Handles {
  uv_loop_t loop;
  uv_timer_t timer;
  uv_prepare_t prepare;
  uv_idle_t put_off;  // active while something is put off: then the loop does not wait
};

namespace {

// What each part of a turn may take; with the three parts, a last piece of work in each that is
// longer than it should be, and the work at its end a turn stays under TurnStats::kSlowMicros.
constexpr uint64_t kPartNanos = 1'000'000;
// How old the last reading of the thread's processor time gets: reading it is a system call, and
// what a turn took of the processor may be this much too large.
constexpr uint64_t kCpuSeenNanos = 1'000'000;

uint64_t cpu_nanos() noexcept {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<uint64_t>(spent.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(spent.tv_nsec);
}

}  // namespace

struct LoopCallbacks {
  static void on_timer(uv_timer_t* handle) noexcept {
    auto* loop = static_cast<Loop*>(handle->data);
    loop->begin_part(uv_hrtime());
    loop->timers_.run_due();
    loop->arm_timer();
  }
  static void on_put_off(uv_idle_t* handle) noexcept {
    auto* loop = static_cast<Loop*>(handle->data);
    loop->begin_part(uv_hrtime());
    loop->run_put_off();
  }
  static bool is_late(void* self) noexcept { return static_cast<Loop*>(self)->is_late(); }
  static void on_prepare(uv_prepare_t* handle) noexcept {
    auto* loop = static_cast<Loop*>(handle->data);
    if (loop->turn_end_first_ != nullptr && loop->turn_began_ == 0) loop->begin_part(uv_hrtime());
    loop->run_turn_end();
    loop->measure_turn();
  }
  static void on_earlier(void* self) noexcept { static_cast<Loop*>(self)->arm_timer(); }

  struct Work {
    Work(Loop& of, Job& what) : loop(&of), job(&what), later(&LoopCallbacks::finish, this) {}
    uv_work_t request{};
    Loop* loop;
    Job* job;
    Later later;
  };
  static void on_work(uv_work_t* request) noexcept {
    static_cast<Work*>(request->data)->job->run();
  }
  static void on_work_done(uv_work_t* request, int) noexcept {
    auto* work = static_cast<Work*>(request->data);
    if (work->loop->is_late()) {
      work->loop->put_off(work->later);
    } else {
      finish(work);
    }
  }
  static void finish(void* self) noexcept {
    const std::unique_ptr<Work> work(static_cast<Work*>(self));
    --work->loop->jobs_in_flight_;
    work->job->finished();
  }
};

Loop::Loop()
    : clock_(system_clock_),
      timers_(clock_),
      handles_(std::make_unique<Handles>()),
      read_buffer_(new char[kReadBufferBytes]),
      virtual_job_timer_([](void*) noexcept {}, nullptr) {
  init_handles();
  timers_.on_earlier(&LoopCallbacks::on_earlier, this);
  timers_.stop_when(&LoopCallbacks::is_late, this);
}

Loop::Loop(VirtualTime time)
    : manual_clock_(&time.clock),
      clock_(time.clock),
      timers_(clock_),
      handles_(std::make_unique<Handles>()),
      read_buffer_(new char[kReadBufferBytes]),
      virtual_job_time_(time.job_time),
      virtual_job_timer_([](void* self) noexcept { static_cast<Loop*>(self)->run_virtual_jobs(); },
                         this) {
  init_handles();
}

void Loop::init_handles() noexcept {
  GODWIT_ASSERT(uv_loop_init(&handles_->loop) == 0);
  uv_timer_init(&handles_->loop, &handles_->timer);
  handles_->timer.data = this;
  uv_prepare_init(&handles_->loop, &handles_->prepare);
  handles_->prepare.data = this;
  uv_prepare_start(&handles_->prepare, &LoopCallbacks::on_prepare);
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->prepare));
  uv_idle_init(&handles_->loop, &handles_->put_off);
  handles_->put_off.data = this;
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->timer), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->prepare), nullptr);
  uv_run(&handles_->loop, UV_RUN_DEFAULT);  // until nothing is put off
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->put_off), nullptr);
  uv_run(&handles_->loop, UV_RUN_DEFAULT);
  GODWIT_ASSERT(uv_loop_close(&handles_->loop) == 0);
}

uv_loop_s* Loop::uv() noexcept {
  return &handles_->loop;
}

void Loop::run() {
  GODWIT_ASSERT(manual_clock_ == nullptr);  // a simulation knows itself when it is over
  uv_run(&handles_->loop, UV_RUN_DEFAULT);
}
void Loop::run_once() {
  if (manual_clock_ != nullptr) {
    turn_in_virtual_time();
    return;
  }
  uv_run(&handles_->loop, UV_RUN_ONCE);
}
void Loop::poll() {
  uv_run(&handles_->loop, UV_RUN_NOWAIT);
}
void Loop::stop() noexcept {
  uv_stop(&handles_->loop);
}

void Loop::arm_timer() noexcept {
  const Instant earliest = timers_.earliest();
  if (earliest == Instant::never()) {
    uv_timer_stop(&handles_->timer);
    return;
  }
  // libuv counts from the start of the turn and in whole milliseconds: one more, so as not to wake
  // up just before the deadline; and at least one, so that a deadline set from a callback cannot
  // keep libuv in its timers.
  uv_update_time(&handles_->loop);
  const int64_t micros = std::max<int64_t>(earliest.micros - clock_.now().micros, 0);
  uv_timer_start(&handles_->timer, &LoopCallbacks::on_timer,
                 static_cast<uint64_t>(std::max<int64_t>(1, (micros + 999) / 1000)), 0);
}

void Loop::at_turn_end(TurnEnd& hook) noexcept {
  if (hook.pending_) return;
  hook.pending_ = true;
  hook.next_ = nullptr;
  if (turn_end_last_ != nullptr) {
    turn_end_last_->next_ = &hook;
  } else {
    turn_end_first_ = &hook;
    // Without a reference the loop may end, and without an active timer or socket it would not
    // turn.
    uv_ref(reinterpret_cast<uv_handle_t*>(&handles_->prepare));
  }
  turn_end_last_ = &hook;
}

void Loop::run_turn_end() noexcept {
  while (turn_end_first_ != nullptr) {
    TurnEnd* hook = turn_end_first_;
    turn_end_first_ = hook->next_;
    if (turn_end_first_ == nullptr) turn_end_last_ = nullptr;
    hook->pending_ = false;
    hook->run_(hook->self_);
  }
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->prepare));
}

// --- The length of a turn ------------------------------------------------------------------------

void Loop::begin_part(uint64_t now) noexcept {
  if (turn_began_ == 0) turn_began_ = now;
  part_began_ = now;
  looks_ = 0;
  late_ = false;
}

// When the loop came back from its wait is not known: its first event asks right after that.
bool Loop::is_late() noexcept {
  if (manual_clock_ != nullptr) return false;
  const uint64_t now = uv_hrtime();
  if (part_began_ == 0) begin_part(now);
  late_ = now - part_began_ > kPartNanos;
  return late_;
}

bool Loop::is_roughly_late() noexcept {
  if (manual_clock_ != nullptr) return false;
  if (part_began_ == 0 || ++looks_ % kLooks == 0) return is_late();
  return late_;
}

void Loop::put_off(Later& later) noexcept {
  put_off_.add(later);
  uv_idle_start(&handles_->put_off, &LoopCallbacks::on_put_off);
}

void Loop::run_put_off() noexcept {
  const auto late = [this] { return is_late(); };
  put_off_.run(late);
  if (put_off_.empty()) uv_idle_stop(&handles_->put_off);
}

// The next wait begins.
void Loop::measure_turn() noexcept {
  const uint64_t began = std::exchange(turn_began_, 0);
  part_began_ = 0;
  if (began == 0) return;
  const uint64_t now = uv_hrtime();
  const uint64_t took = now - began;
  if (now - cpu_seen_at_ > kCpuSeenNanos) {
    const uint64_t cpu_now = cpu_nanos();
    const auto micros = static_cast<int64_t>(std::min(took, cpu_now - cpu_seen_) / 1000);
    turn_stats_.longest_cpu_micros = std::max(turn_stats_.longest_cpu_micros, micros);
    cpu_seen_ = cpu_now;
    cpu_seen_at_ = now;
  }
  const auto micros = static_cast<int64_t>(took / 1000);
  turn_stats_.longest_micros = std::max(turn_stats_.longest_micros, micros);
  if (micros > TurnStats::kSlowMicros) ++turn_stats_.slow;
}

// --- Virtual time --------------------------------------------------------------------------------

void Loop::turn_in_virtual_time() {
  if (turn_end_first_ != nullptr) {
    run_turn_end();
    return;
  }
  if (!put_off_.empty()) {
    run_put_off();
    return;
  }
  const Instant next = timers_.earliest();
  if (next == Instant::never()) return;
  if (next > clock_.now()) manual_clock_->advance_to(next);
  timers_.run_due();
}

void Loop::run_virtual_jobs() noexcept {
  while (!virtual_jobs_.empty() && virtual_jobs_.front().due <= clock_.now()) {
    Job* job = virtual_jobs_.front().job;
    virtual_jobs_.pop_front();
    job->run();
    --jobs_in_flight_;
    job->finished();
  }
  if (!virtual_jobs_.empty()) timers_.set(virtual_job_timer_, virtual_jobs_.front().due);
}

// --- The thread pool -----------------------------------------------------------------------------

void Loop::submit(Job& job) {
  if (manual_clock_ != nullptr) {
    ++jobs_in_flight_;
    virtual_jobs_.push_back({clock_.now() + virtual_job_time_, &job});
    if (!virtual_job_timer_.is_armed()) timers_.set(virtual_job_timer_, virtual_jobs_.front().due);
    return;
  }
  auto* work = new LoopCallbacks::Work(*this, job);
  work->request.data = work;
  ++jobs_in_flight_;
  const int status = uv_queue_work(&handles_->loop, &work->request, &LoopCallbacks::on_work,
                                   &LoopCallbacks::on_work_done);
  GODWIT_ASSERT(status == 0);
}

}  // namespace godwit
