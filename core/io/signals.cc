#include "core/io/signals.h"

#include <uv.h>

namespace godwit {

struct SignalWatcher::Handle {
  uv_signal_t signal;
};

struct SignalCallbacks {
  static void on_signal(uv_signal_t* handle, int) noexcept {
    auto* watcher = static_cast<SignalWatcher*>(handle->data);
    watcher->on_signal_(watcher->self_);
  }
  static void on_closed(uv_handle_t* handle) noexcept {
    delete reinterpret_cast<SignalWatcher::Handle*>(handle);
  }
};

SignalWatcher::SignalWatcher(Loop& loop, int signal_number, void (*on_signal)(void* self) noexcept,
                             void* self)
    : handle_(new Handle), on_signal_(on_signal), self_(self) {
  uv_signal_init(loop.uv(), &handle_->signal);
  handle_->signal.data = this;
  uv_signal_start(&handle_->signal, &SignalCallbacks::on_signal, signal_number);
  uv_unref(reinterpret_cast<uv_handle_t*>(&handle_->signal));
}

SignalWatcher::~SignalWatcher() {
  uv_signal_stop(&handle_->signal);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->signal), &SignalCallbacks::on_closed);
}

}  // namespace godwit
