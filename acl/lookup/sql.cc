#include "acl/lookup/sql.h"

#include "core/base/ascii.h"

#include <poll.h>

#include <utility>

namespace godwit::acl {
namespace {

// ServerSpec::fields.
constexpr size_t kDatabase = 0;
constexpr size_t kUser = 1;
constexpr size_t kPassword = 2;

// An idle server says nothing but that it goes.
bool has_ended(const SqlConnection& connection) {
  pollfd entry{connection.descriptor(), POLLIN, 0};
  return entry.fd < 0 || ::poll(&entry, 1, 0) != 0;
}

}  // namespace

bool DescriptorReady::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  const Result<void> watched = poll_.watch(read_, write_, &DescriptorReady::on_ready, this);
  if (!watched) {
    error_ = watched.error();
    return false;
  }
  loop_.timers().set(timer_, deadline_);
  return true;
}

Result<DescriptorReady::State> DescriptorReady::await_resume() {
  if (error_) return *error_;
  return state_;
}

void DescriptorReady::on_ready(void* self, bool readable, bool writable) noexcept {
  auto& wait = *static_cast<DescriptorReady*>(self);
  wait.poll_.stop();
  wait.timer_.disarm();
  wait.state_ = {readable, writable};
  wait.waiter_.resume();
}

void DescriptorReady::on_timeout(void* self) noexcept {
  auto& wait = *static_cast<DescriptorReady*>(self);
  wait.poll_.stop();
  wait.error_.emplace(Errc::timed_out, "no answer in time");
  wait.waiter_.resume();
}

SqlServers::SqlServers(Loop& loop, LookupPool& pool, const SqlDialect& dialect, std::string servers)
    : loop_(loop), pool_(pool), dialect_(dialect), main_list_(std::move(servers)) {}

SqlServers::~SqlServers() = default;

Task<void> SqlServers::close() {
  struct Idle {
    SqlServers& servers;
    bool await_ready() const noexcept { return servers.busy_ == 0; }
    void await_suspend(std::coroutine_handle<> waiter) { servers.closer_ = waiter; }
    void await_resume() const noexcept {}
  };
  closing_ = true;
  co_await Idle{*this};
  servers_.clear();
}

Result<LookupFound> SqlServers::ask(const LookupOptions& options, std::string_view query) {
  const std::string prefix(dialect_.prefix);
  const Result<std::vector<ServerSpec>> servers =
      choose_servers(dialect_.style, main_list_, options, query);
  if (!servers) return servers.error();
  if (!Fiber::is_current()) return must_wait("a query to " + std::string(dialect_.style.name));
  std::optional<Error> failure;
  for (const ServerSpec& server : *servers) {
    if (closing_) return deferred(prefix + " connection closed");
    Result<LookupFound> answer = wait_for(ask_server(server, std::string(query)));
    if (answer) return answer;
    failure = answer.error();
  }
  return *failure;
}

Task<Result<LookupFound>> SqlServers::ask_server(ServerSpec spec, std::string query) {
  Server& server = servers_[spec.text];
  ++busy_;
  auto taken = co_await take_connection(server, spec);
  std::optional<Result<LookupFound>> answer;
  if (taken) {
    std::unique_ptr<SqlConnection> connection = std::move(*taken);
    const Instant deadline = loop_.clock().now() + kSqlAnswerTime;
    answer.emplace(co_await connection->query(std::move(query), deadline));
    give_back(server, std::move(connection));
  } else {
    answer.emplace(taken.error());
  }
  if (!*answer) {
    answer.emplace(deferred(std::string(dialect_.prefix) +
                            (taken ? ": query failed: " : " connection failed: ") +
                            answer->error().detail()));
  }
  --busy_;
  if (busy_ == 0 && closer_) std::exchange(closer_, {}).resume();
  co_return std::move(*answer);
}

Task<Result<std::unique_ptr<SqlConnection>>> SqlServers::take_connection(Server& server,
                                                                         const ServerSpec& spec) {
  if (server.idle.empty() && server.connections >= kSqlConnectionsMax) {
    if (server.waiters.size() >= kSqlWaitersMax) co_return deferred("too many queries wait");
    co_await Turn{server};
  }
  while (!server.idle.empty()) {
    std::unique_ptr<SqlConnection> connection = std::move(server.idle.back());
    server.idle.pop_back();
    if (!has_ended(*connection)) co_return std::move(connection);
    --server.connections;
  }
  if (server.failure && loop_.clock().now() < server.retry_at) {
    give_back(server, nullptr);
    ++server.connections;
    co_return *server.failure;
  }
  ++server.connections;
  auto connected = co_await connect(spec);
  if (connected) {
    server.failure.reset();
  } else {
    server.failure = connected.error();
    server.retry_at = loop_.clock().now() + kServerRetryDelay;
    give_back(server, nullptr);
  }
  co_return std::move(connected);
}

Task<Result<std::unique_ptr<SqlConnection>>> SqlServers::connect(const ServerSpec& spec) {
  SqlTarget target;
  target.database = spec.fields[kDatabase];
  target.user = spec.fields[kUser];
  target.password = spec.fields[kPassword];
  target.group = spec.group;
  target.port = spec.port;
  co_await ok(dialect_.set_socket(spec, target));
  if (target.socket.empty() && !spec.host.empty() && spec.host != "localhost") {
    const IpAddress address = co_await ok(resolve_host(pool_, spec.host));
    target.address = address.to_string();
  }
  std::unique_ptr<SqlConnection> connection = dialect_.make(loop_);
  const Instant deadline = loop_.clock().now() + kConnectTime;
  co_await ok(connection->open(std::move(target), deadline));
  co_return std::move(connection);
}

// Null: there is none any more.
void SqlServers::give_back(Server& server, std::unique_ptr<SqlConnection> connection) {
  if (connection != nullptr && connection->is_usable() && !closing_) {
    server.idle.push_back(std::move(connection));
  } else {
    connection.reset();
    --server.connections;
  }
  if (server.waiters.empty()) return;
  const std::coroutine_handle<> next = server.waiters.front();
  server.waiters.pop_front();
  next.resume();
}

void append_sql_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += '=';
  bool needs_quotes = value.empty();
  for (const char c : value) needs_quotes = needs_quotes || is_space(c);
  if (!needs_quotes) {
    out += value;
  } else {
    out += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  out += ' ';
}

}  // namespace godwit::acl
