// Cancelling asks: a CancelSource wakes every awaitable that registered with it; each completes
// with Errc::cancelled as soon as libuv let go of what it holds. Nothing is destroyed from outside.
#pragma once

#include "core/base/assert.h"

namespace godwit {

class CancelSource;

// One registration. Lives in the awaitable; unregisters itself when destroyed.
class CancelWaiter {
 public:
  CancelWaiter() = default;
  CancelWaiter(const CancelWaiter&) = delete;
  CancelWaiter& operator=(const CancelWaiter&) = delete;
  ~CancelWaiter() { disarm(); }

  // `on_cancel(self)` is called at most once, from CancelSource::cancel().
  void arm(CancelSource& source, void (*on_cancel)(void* self) noexcept, void* self) noexcept;
  void disarm() noexcept;

 private:
  friend class CancelSource;
  CancelSource* source_ = nullptr;
  CancelWaiter* previous_ = nullptr;
  CancelWaiter* next_ = nullptr;
  void (*on_cancel_)(void* self) noexcept = nullptr;
  void* self_ = nullptr;
};

class CancelSource {
 public:
  CancelSource() = default;
  CancelSource(const CancelSource&) = delete;
  CancelSource& operator=(const CancelSource&) = delete;
  ~CancelSource() { GODWIT_ASSERT(first_ == nullptr); }

  bool is_cancelled() const noexcept { return cancelled_; }
  // Wakes all that wait; whoever registers later is told at once by is_cancelled().
  void cancel() noexcept {
    cancelled_ = true;
    while (first_ != nullptr) {
      CancelWaiter* waiter = first_;
      waiter->disarm();
      waiter->on_cancel_(waiter->self_);
    }
  }

 private:
  friend class CancelWaiter;
  CancelWaiter* first_ = nullptr;
  bool cancelled_ = false;
};

inline void CancelWaiter::arm(CancelSource& source, void (*on_cancel)(void* self) noexcept,
                              void* self) noexcept {
  GODWIT_ASSERT(source_ == nullptr);
  source_ = &source;
  on_cancel_ = on_cancel;
  self_ = self;
  next_ = source.first_;
  previous_ = nullptr;
  if (next_ != nullptr) next_->previous_ = this;
  source.first_ = this;
}

inline void CancelWaiter::disarm() noexcept {
  if (source_ == nullptr) return;
  if (previous_ != nullptr) previous_->next_ = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  if (source_->first_ == this) source_->first_ = next_;
  source_ = nullptr;
}

}  // namespace godwit
