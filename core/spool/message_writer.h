// MessageWriter: one message on its way into the store. The body is copied once, into the writer's
// chunks; the batch is written from there. A body over StoreOptions::large_body_bytes goes to a
// file of its own as it arrives, so that memory stays bounded.
// Lifetime: ends before its Store's close(). Destroyed without commit() the message never was.
#pragma once

#include "core/base/result.h"
#include "core/io/task.h"
#include "core/spool/message.h"

#include <memory>
#include <string>
#include <string_view>

namespace godwit::spool {

class StoreCore;

class MessageWriter {
 public:
  MessageWriter(StoreCore& core, MessageKey key);
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;
  ~MessageWriter();

  // Adds to the body; ready at once while the body is in memory. `bytes` must stay valid until the
  // task is done. After an error the writer takes nothing more and commit() gives the same error.
  Task<Result<void>> append(std::string_view bytes);
  uint64_t body_bytes() const noexcept { return body_bytes_; }

  // Durable where it succeeds: the message is on disk. Where it fails the message is not in the
  // store (docs/spool.md names the one window in which a failed one may come back). Called once.
  Task<Result<StoredMessage>> commit(std::string envelope, std::string header_section);

 private:
  struct LargeFile;

  void copy_to_chunks(std::string_view bytes);
  Task<Result<void>> spill();
  Task<Result<void>> finish_large_file();

  StoreCore& core_;
  MessageKey key_;
  WallTime received_;
  std::shared_ptr<MessageBytes> bytes_;
  std::unique_ptr<LargeFile> large_;
  uint64_t body_bytes_ = 0;
  size_t bytes_in_memory_ = 0;
  Result<void> state_;
  bool is_committing_ = false;
  bool is_committed_ = false;
};

}  // namespace godwit::spool
