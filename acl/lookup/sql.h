// PostgreSQL and MySQL servers: a few connections to each, each with one query at a time, driven by
// the loop. What the two libraries have in common; pgsql.cc and mysql.cc have the rest.
#pragma once

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "acl/lookup/pool.h"
#include "acl/lookup/servers.h"
#include "core/base/result.h"
#include "core/io/loop.h"
#include "core/io/poll.h"
#include "core/io/task.h"

#include <coroutine>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

// co_await DescriptorReady(loop, fd, read, write, deadline): what is there, or timed_out.
class [[nodiscard]] DescriptorReady {
 public:
  struct State {
    bool readable = false;
    bool writable = false;
  };
  DescriptorReady(Loop& loop, int fd, bool read, bool write, Instant deadline)
      : loop_(loop),
        poll_(loop, fd),
        read_(read),
        write_(write),
        deadline_(deadline),
        timer_(&DescriptorReady::on_timeout, this) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  Result<State> await_resume();

 private:
  static void on_ready(void* self, bool readable, bool writable) noexcept;
  static void on_timeout(void* self) noexcept;

  Loop& loop_;
  PollHandle poll_;
  bool read_;
  bool write_;
  Instant deadline_;
  TimerNode timer_;
  State state_;
  std::optional<Error> error_;
  std::coroutine_handle<> waiter_;
};

// Where to connect: never a name, so that no library asks the DNS.
struct SqlTarget {
  std::string address;  // empty: a unix socket
  uint16_t port = 0;
  std::string socket;
  std::string group;
  std::string database;
  std::string user;
  std::string password;
};

class SqlConnection {
 public:
  virtual ~SqlConnection() = default;
  virtual Task<Result<void>> open(SqlTarget target, Instant deadline) = 0;
  // Errors: the server's. After one that is not is_usable() the connection is of no more use.
  virtual Task<Result<LookupFound>> query(std::string text, Instant deadline) = 0;
  virtual bool is_usable() const = 0;
  // -1 where there is none. Something to read while no query runs means the end.
  virtual int descriptor() const = 0;
};

struct SqlDialect {
  ServerStyle style;
  std::string_view prefix;  // of messages: "PGSQL"
  std::unique_ptr<SqlConnection> (*make)(Loop& loop);
  // Fills `socket` for a server on this machine; an Error where the socket's name is wrong.
  Result<void> (*set_socket)(const ServerSpec& server, SqlTarget& target);
};
const SqlDialect& pgsql_dialect() noexcept;
const SqlDialect& mysql_dialect() noexcept;

class SqlServers {
 public:
  SqlServers(Loop& loop, LookupPool& pool, const SqlDialect& dialect, std::string servers);
  ~SqlServers();

  Result<LookupFound> ask(const LookupOptions& options, std::string_view query);
  Task<void> close();

 private:
  struct Server {
    size_t connections = 0;  // idle ones and those at work
    std::vector<std::unique_ptr<SqlConnection>> idle;
    std::deque<std::coroutine_handle<>> waiters;
    std::optional<Error> failure;  // of the last attempt to connect
    Instant retry_at{0};
  };
  struct Turn {
    Server& server;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) { server.waiters.push_back(waiter); }
    void await_resume() const noexcept {}
  };

  Task<Result<LookupFound>> ask_server(ServerSpec spec, std::string query);
  // A connection that works, an idle or a new one.
  Task<Result<std::unique_ptr<SqlConnection>>> take_connection(Server& server,
                                                               const ServerSpec& spec);
  Task<Result<std::unique_ptr<SqlConnection>>> connect(const ServerSpec& spec);
  void give_back(Server& server, std::unique_ptr<SqlConnection> connection);

  Loop& loop_;
  LookupPool& pool_;
  const SqlDialect& dialect_;
  std::string main_list_;
  std::map<std::string, Server, std::less<>> servers_;
  size_t busy_ = 0;  // queries under way
  std::coroutine_handle<> closer_;
  bool closing_ = false;
};

// One field of a row of several: name="value with spaces" and a space.
void append_sql_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace godwit::acl
