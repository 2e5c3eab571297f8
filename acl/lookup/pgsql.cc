// pgsql: libpq without waiting. A connection is watched through its descriptor; libpq never
// resolves a name.
#include "acl/lookup/finders.h"
#include "acl/lookup/parts.h"
#include "acl/lookup/sql.h"
#include "core/base/ascii.h"

#include <libpq-fe.h>

#include <array>
#include <utility>

namespace godwit::acl {
namespace {

constexpr std::string_view kSocketName = ".s.PGSQL.";

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPointer = std::unique_ptr<PGresult, ClearResult>;

void ignore_notice(void*, const char*) {}

Result<LookupFound> rows_of(PGresult* result) {
  std::string text;
  const int rows = PQntuples(result);
  const int fields = PQnfields(result);
  for (int row = 0; row < rows; ++row) {
    if (row > 0) text += '\n';
    for (int field = 0; field < fields; ++field) {
      const auto bytes = static_cast<size_t>(PQgetlength(result, row, field));
      const std::string_view value(PQgetvalue(result, row, field), bytes);
      if (fields == 1) {
        text += value;
      } else {
        append_sql_field(text, PQfname(result, field), value);
      }
    }
    if (text.size() > kAnswerBytesMax) return deferred("the answer is too long");
  }
  if (rows == 0) return LookupFound();
  return found(std::move(text));
}

Result<LookupFound> answer_of(PGresult* result) {
  switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
      return rows_of(result);
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK: {
      LookupFound changed = found(PQcmdTuples(result));
      changed->cacheable = false;
      return changed;
    }
    default:
      return deferred(std::string(trim_right(PQresultErrorMessage(result))));
  }
}

class PgsqlConnection final : public SqlConnection {
 public:
  explicit PgsqlConnection(Loop& loop) : loop_(loop) {}
  ~PgsqlConnection() override {
    if (connection_ != nullptr) PQfinish(connection_);
  }

  Task<Result<void>> open(SqlTarget target, Instant deadline) override {
    const std::string port = std::to_string(target.port);
    const bool is_local = target.address.empty();
    const std::array<const char*, 8> names{
        is_local ? "host" : "hostaddr", "port", "dbname", "user", "password", "client_encoding",
        "fallback_application_name",    nullptr};
    const std::array<const char*, 8> values{
        is_local ? target.socket.c_str() : target.address.c_str(),
        port.c_str(),
        target.database.c_str(),
        target.user.c_str(),
        target.password.c_str(),
        "SQL_ASCII",
        "godwit",
        nullptr};
    connection_ = PQconnectStartParams(names.data(), values.data(), 0);
    if (connection_ == nullptr) co_return deferred("out of memory");
    PQsetNoticeProcessor(connection_, ignore_notice, nullptr);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    if (PQstatus(connection_) == CONNECTION_BAD) status = PGRES_POLLING_FAILED;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
      const bool writes = status == PGRES_POLLING_WRITING;
      const auto ready =
          co_await DescriptorReady(loop_, PQsocket(connection_), !writes, writes, deadline);
      if (!ready) co_return ready.error();
      status = PQconnectPoll(connection_);
    }
    if (status != PGRES_POLLING_OK) co_return problem();
    PQsetnonblocking(connection_, 1);
    co_return Result<void>();
  }

  Task<Result<LookupFound>> query(std::string text, Instant deadline) override {
    if (PQsendQuery(connection_, text.c_str()) == 0) co_return problem();
    co_await ok(send_all(deadline));
    std::optional<Result<LookupFound>> answer;
    for (;;) {
      co_await ok(wait_for_result(deadline));
      const ResultPointer result(PQgetResult(connection_));
      if (result == nullptr) break;
      // A query that copies would go on with data, which a lookup has not.
      const ExecStatusType status = PQresultStatus(result.get());
      if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        is_lost_ = true;
        co_return deferred("a lookup cannot copy");
      }
      answer.emplace(answer_of(result.get()));
    }
    if (!answer) co_return problem();
    co_return std::move(*answer);
  }

  bool is_usable() const override {
    return !is_lost_ && PQstatus(connection_) == CONNECTION_OK &&
           PQtransactionStatus(connection_) == PQTRANS_IDLE;
  }
  int descriptor() const override { return PQsocket(connection_); }

 private:
  Error problem() const { return deferred(std::string(trim_right(PQerrorMessage(connection_)))); }

  Task<Result<void>> send_all(Instant deadline) {
    for (;;) {
      const int left = PQflush(connection_);
      if (left == 0) co_return Result<void>();
      if (left < 0) co_return problem();
      const auto ready = co_await DescriptorReady(loop_, descriptor(), true, true, deadline);
      if (!ready) co_return lost(ready.error());
      if (ready->readable && PQconsumeInput(connection_) == 0) co_return problem();
    }
  }
  Task<Result<void>> wait_for_result(Instant deadline) {
    while (PQisBusy(connection_) != 0) {
      const auto ready = co_await DescriptorReady(loop_, descriptor(), true, false, deadline);
      if (!ready) co_return lost(ready.error());
      if (PQconsumeInput(connection_) == 0) co_return problem();
    }
    co_return Result<void>();
  }
  // A query is still under way at the server.
  Error lost(const Error& error) {
    is_lost_ = true;
    return error;
  }

  Loop& loop_;
  PGconn* connection_ = nullptr;
  bool is_lost_ = false;
};

std::unique_ptr<SqlConnection> make_connection(Loop& loop) {
  return std::make_unique<PgsqlConnection>(loop);
}

// "(/run/postgresql/.s.PGSQL.5432)" is how the list names a socket; libpq wants directory and port.
Result<void> set_socket(const ServerSpec& server, SqlTarget& target) {
  if (server.socket.empty()) {
    if (!server.host.empty() && server.host != "localhost") return {};
    if (server.host == "localhost") target.address = "127.0.0.1";
    return {};
  }
  const size_t name = server.socket.rfind('/');
  const size_t port = server.socket.rfind(kSocketName);
  if (name == std::string::npos || port != name + 1)
    return deferred("PGSQL invalid filename for socket: " + server.socket);
  const auto number =
      parse_decimal(std::string_view(server.socket).substr(port + kSocketName.size()));
  if (!number || *number == 0 || *number > UINT16_MAX)
    return deferred("PGSQL invalid filename for socket: " + server.socket);
  target.socket = server.socket.substr(0, name);
  target.port = static_cast<uint16_t>(*number);
  return {};
}

constexpr SqlDialect kDialect{
    {"PostgreSQL", "pgSQL", "pgsql_servers", 3, 5432}, "PGSQL", make_connection, set_socket};

}  // namespace

const SqlDialect& pgsql_dialect() noexcept {
  return kDialect;
}

Result<LookupFound> find_pgsql(LookupParts& parts, const LookupCall& call) {
  return parts.pgsql.ask(call.options, call.key);
}

}  // namespace godwit::acl
