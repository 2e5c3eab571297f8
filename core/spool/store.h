// Store: the durable messages of one shard. The promise: a message whose commit() returned success
// is on disk and survives kill -9 and a power cut; one that failed is not half there.
// Used by: daemon (acceptance), delivery/queue. Everything runs on the loop's thread; blocking work
// goes to its pool. One process owns a shard (a lock on <dir>/lock, held until close()).
// Errors: disk_full and disk_error from commits; a later batch works again when the disk does.
// The format and the rules of recovery are in docs/spool.md.
#pragma once

#include "core/base/result.h"
#include "core/io/files.h"
#include "core/io/loop.h"
#include "core/io/task.h"
#include "core/spool/message.h"
#include "core/spool/message_writer.h"

#include <memory>
#include <span>
#include <string>

namespace godwit::spool {

class Store {
 public:
  // Makes `dir` where it is missing (its parent must exist), takes its lock (Errc::locked where
  // another process has it), and tells `sink` every message that lives. `loop` and `files` outlive
  // the store; `sink` is used until open() is done.
  static Task<Result<std::unique_ptr<Store>>> open(Loop& loop, Files& files, std::string dir,
                                                   StoreOptions options, RecoverySink& sink);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  // close() must have completed.
  ~Store();

  std::unique_ptr<MessageWriter> begin(MessageKey key);

  // Records `payload` with the message, after its earlier ones. Lazily durable: written with the
  // next batch or within StoreOptions::lazy_write, on disk within lazy_sync. flush() waits for it.
  // At most kUpdateBytesMax, and half a segment.
  void update(MessageRef ref, std::string payload, UpdateKind kind = UpdateKind::append);
  // The message is done; its space is used again later. Durable like an update.
  void end(MessageRef ref);
  // Everything recorded before this call is on disk, or the error says why not. After an error
  // updates and ends are kept and tried again; nothing needs to be repeated.
  Task<Result<void>> flush();

  // The parts of a message; checked against their checksums (Errc::disk_error where they differ).
  Task<Result<std::string>> read_envelope(MessageRef ref);
  Task<Result<std::string>> read_headers(MessageRef ref);
  // Fills `into` from the body at `offset`; gives how many bytes, 0 at its end. The checksum is
  // verified where one read covers the whole body.
  Task<Result<size_t>> read_body(MessageRef ref, uint64_t offset, std::span<char> into);

  // Takes over all messages of a shard that no process owns, on the same file system; then `dir`
  // is gone. Keys stay; updates come along; `sink` is told. A crash in the middle loses nothing
  // and doubles nothing: the next open() goes on. One adoption at a time.
  Task<Result<void>> adopt(std::string dir, RecoverySink& sink);

  // Everything recorded is written and synced where the disk allows, the lock is released. No
  // writer, no read may be alive.
  Task<void> close();

  StoreStats stats() const;

 private:
  explicit Store(std::unique_ptr<StoreCore> core);
  std::unique_ptr<StoreCore> core_;
};

}  // namespace godwit::spool
