// A stack is entered once with makecontext; after that _setjmp and _longjmp switch, which unlike
// swapcontext make no system call. AddressSanitizer is told of each switch.
#include "core/io/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GODWIT_FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define GODWIT_FIBER_ASAN 1
#endif
#ifdef GODWIT_FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace godwit {
namespace {

struct StackBounds {
  const void* bottom = nullptr;
  size_t bytes = 0;
};

// Tells AddressSanitizer that the next jump leaves for another stack; nothing otherwise.
class StackSwitch {
 public:
  void leave([[maybe_unused]] const StackBounds& target) noexcept {
#ifdef GODWIT_FIBER_ASAN
    __sanitizer_start_switch_fiber(&fake_stack_, target.bottom, target.bytes);
#endif
  }
  // On the stack that was entered, the first or another time; gives the stack that was left.
  void arrive([[maybe_unused]] StackBounds* left) noexcept {
#ifdef GODWIT_FIBER_ASAN
    const void* bottom = nullptr;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &bytes);
    if (left != nullptr) *left = {bottom, bytes};
#endif
  }

 private:
  [[maybe_unused]] void* fake_stack_ = nullptr;
};

}  // namespace

// A fiber with its stack. Runs body after body: between two of them it is idle.
struct FiberSwitch : Fiber {
  jmp_buf inside;   // where the fiber goes on
  jmp_buf outside;  // where its starter or resumer goes on
  StackBounds stack;
  StackBounds outer_stack;
  StackSwitch inside_switch;
  StackSwitch outside_switch;
  FiberSwitch* outer = nullptr;  // the fiber that started or resumed this one
  void* mapping = nullptr;
  size_t mapping_bytes = 0;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
  std::coroutine_handle<> waiter;
  bool ended = false;

  FiberSwitch();
  ~FiberSwitch() { munmap(mapping, mapping_bytes); }
  FiberSwitch(const FiberSwitch&) = delete;
  FiberSwitch& operator=(const FiberSwitch&) = delete;

  // From any stack into this fiber, until it suspends or its body ends.
  void enter(bool first);
  // From this fiber's stack to `outside`.
  void leave() noexcept;
  void run_bodies();
};

namespace {

// Of this thread's loop.
struct Fibers {
  FiberSwitch* current = nullptr;
  std::vector<FiberSwitch*> idle;
  FiberSwitch* entered_first = nullptr;  // passes `this` to a new stack

  ~Fibers() {
    for (FiberSwitch* fiber : idle) delete fiber;
  }
};
thread_local Fibers fibers;

void enter_new_stack() {
  fibers.entered_first->run_bodies();
}

}  // namespace

FiberSwitch::FiberSwitch() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  mapping_bytes = kFiberStackBytes + page;
  mapping = mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, page, PROT_NONE) != 0) {
    std::perror("no memory for a stack");
    std::abort();
  }
  stack = {static_cast<char*>(mapping) + page, kFiberStackBytes};
}

void FiberSwitch::enter(bool first) {
  outer = fibers.current;
  fibers.current = this;
  outside_switch.leave(stack);
  if (_setjmp(outside) == 0) {
    if (!first) _longjmp(inside, 1);
    fibers.entered_first = this;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = const_cast<void*>(stack.bottom);
    context.uc_stack.ss_size = stack.bytes;
    context.uc_link = nullptr;
    makecontext(&context, enter_new_stack, 0);
    setcontext(&context);
  }
  outside_switch.arrive(nullptr);
}

void FiberSwitch::leave() noexcept {
  fibers.current = outer;
  inside_switch.leave(outer_stack);
  if (_setjmp(inside) == 0) _longjmp(outside, 1);
  inside_switch.arrive(&outer_stack);
}

void FiberSwitch::run_bodies() {
  inside_switch.arrive(&outer_stack);
  for (;;) {
    body(argument);
    ended = true;
    leave();
  }
}

bool Fiber::is_current() noexcept {
  return fibers.current != nullptr;
}

Fiber* Fiber::current() noexcept {
  return fibers.current;
}

Fiber* Fiber::start(void (*body)(void*), void* argument) {
  FiberSwitch* fiber = nullptr;
  const bool first = fibers.idle.empty();
  if (first) {
    fiber = new FiberSwitch;
  } else {
    fiber = fibers.idle.back();
    fibers.idle.pop_back();
  }
  fiber->body = body;
  fiber->argument = argument;
  fiber->ended = false;
  fiber->waiter = {};
  fiber->enter(first);
  if (!fiber->ended) return fiber;
  fibers.idle.push_back(fiber);
  return nullptr;
}

void Fiber::set_waiter(std::coroutine_handle<> waiter) noexcept {
  static_cast<FiberSwitch*>(this)->waiter = waiter;
}

void Fiber::suspend() noexcept {
  fibers.current->leave();
}

void Fiber::resume() {
  auto* self = static_cast<FiberSwitch*>(this);
  self->enter(false);
  if (!self->ended) return;
  const std::coroutine_handle<> waiter = self->waiter;
  if (fibers.idle.size() < kIdleFibersMax) {
    fibers.idle.push_back(self);
  } else {
    delete self;
  }
  waiter.resume();
}

}  // namespace godwit
