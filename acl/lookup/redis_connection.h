// One connection to a Redis server. Commands go out together at the end of a loop turn; replies
// come in the order of commands. It reconnects with the next command after a failure, but leaves a
// server alone for kServerRetryDelay that could not be reached.
#pragma once

#include "acl/lookup/pool.h"
#include "acl/lookup/resp.h"
#include "acl/lookup/servers.h"
#include "core/base/result.h"
#include "core/io/cancel.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "core/io/stream.h"
#include "core/io/task.h"

#include <coroutine>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::acl {

class RedisConnection {
 public:
  RedisConnection(Loop& loop, LookupPool& pool, ServerSpec server);

  // The server's reply, or an Error where the connection has none.
  Task<Result<RespReply>> command(const std::vector<std::string>& words);
  // Complete when the connection is gone. No command may follow.
  Task<void> close();

 private:
  struct Pending {
    Instant deadline;
    std::optional<Result<RespReply>> reply;
    std::coroutine_handle<> waiter;
  };
  struct Reply {  // awaits a Pending
    Pending& pending;
    bool await_ready() const noexcept { return pending.reply.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter) { pending.waiter = waiter; }
    void await_resume() const noexcept {}
  };

  // From connecting to the end of the connection.
  Task<void> run();
  Task<Result<void>> connect_and_log_in();
  Task<Result<void>> log_in();
  Task<Result<RespReply>> read_reply(RespReader& reader);
  Task<Error> read_replies(RespReader& reader);
  Task<void> write_out();
  void hand_out(RespReader& reader);
  void fail_all(const Error& error);
  void watch_deadline();
  static void on_turn_end(void* self) noexcept;
  static void on_deadline(void* self) noexcept;

  Loop& loop_;
  LookupPool& pool_;
  const ServerSpec server_;
  CancelSource cancel_;  // of connecting
  Scope scope_;
  std::unique_ptr<ByteStream> stream_;
  std::deque<Pending*> pending_;  // in the order of their commands
  std::string out_;               // commands to send
  TurnEnd flush_;
  TimerNode deadline_;
  std::optional<Error> failure_;  // of the last attempt to connect
  Instant retry_at_{0};
  bool running_ = false;  // run() is under way
  bool ready_ = false;    // connected and logged in
  bool writing_ = false;
  bool timed_out_ = false;
  bool closing_ = false;
};

}  // namespace godwit::acl
