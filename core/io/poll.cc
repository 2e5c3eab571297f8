#include "core/io/poll.h"

#include "core/io/loop.h"

#include <uv.h>

#include <cerrno>
#include <utility>

namespace godwit {

struct PollHandle::Handle {
  uv_poll_t poll;
  Loop* loop = nullptr;
  Callback callback = nullptr;
  void* self = nullptr;
  int start_status = 0;
};

struct PollCallbacks {
  static void on_poll(uv_poll_t* poll, int status, int events) noexcept {
    const auto* handle = static_cast<PollHandle::Handle*>(poll->data);
    const bool failed = status < 0;
    (void)handle->loop->is_late();  // libraries read on; but the time of the turn begins here
    handle->callback(handle->self, failed || (events & (UV_READABLE | UV_DISCONNECT)) != 0,
                     failed || (events & UV_WRITABLE) != 0);
  }
  static void on_closed(uv_handle_t* handle) noexcept {
    delete static_cast<PollHandle::Handle*>(handle->data);
  }
};

PollHandle::PollHandle(Loop& loop, int fd) : handle_(new Handle) {
  handle_->start_status = uv_poll_init(loop.uv(), &handle_->poll, fd);
  handle_->poll.data = handle_;
  handle_->loop = &loop;
}

PollHandle::~PollHandle() {
  // A handle that could not be made is unknown to the loop: there is nothing to close.
  if (handle_->start_status != 0) {
    delete handle_;
    return;
  }
  uv_poll_stop(&handle_->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll), &PollCallbacks::on_closed);
}

Result<void> PollHandle::watch(bool read, bool write, Callback callback, void* self) {
  handle_->callback = callback;
  handle_->self = self;
  int status = handle_->start_status;
  if (status == 0) {
    const int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
    status = uv_poll_start(&handle_->poll, events, &PollCallbacks::on_poll);
  }
  if (status != 0) return error_from_errno(-status, "watch a descriptor");
  return {};
}

void PollHandle::stop() noexcept {
  if (handle_->start_status == 0) uv_poll_stop(&handle_->poll);
}

}  // namespace godwit
