// SignalWatcher: a signal as a callback on the loop.
#pragma once

#include "core/io/loop.h"

namespace godwit {

class SignalWatcher {
 public:
  // `on_signal(self)` is called on the loop's thread; several deliveries may become one call.
  SignalWatcher(Loop& loop, int signal_number, void (*on_signal)(void* self) noexcept, void* self);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct Handle;
  friend struct SignalCallbacks;
  Handle* handle_;  // freed by libuv's close callback
  void (*on_signal_)(void* self) noexcept;
  void* self_;
};

}  // namespace godwit
