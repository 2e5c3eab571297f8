// PollHandle: tells when a descriptor that a library owns (libpq, MariaDB) can be read or written.
// Bytes of our own go through ByteStream. One handle a descriptor at a time; destroy the handle
// before the library closes the descriptor. Belongs to the loop's thread.
#pragma once

#include "core/base/result.h"

namespace godwit {

class Loop;

class PollHandle {
 public:
  using Callback = void (*)(void* self, bool readable, bool writable) noexcept;

  PollHandle(Loop& loop, int fd);
  PollHandle(const PollHandle&) = delete;
  PollHandle& operator=(const PollHandle&) = delete;
  ~PollHandle();

  // Calls `callback(self, ...)` whenever one of what is asked for is there, until stop() or another
  // watch(). An error of the descriptor counts as both. The handle may be destroyed inside.
  // Errors: the descriptor cannot be watched.
  Result<void> watch(bool read, bool write, Callback callback, void* self);
  void stop() noexcept;

 private:
  friend struct PollCallbacks;
  struct Handle;

  Handle* handle_;  // freed by libuv's close callback
};

}  // namespace godwit
