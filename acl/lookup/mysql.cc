// mysql: MariaDB's client library without waiting. Each of its calls has a form that starts and one
// that goes on when the descriptor is ready; it runs on a stack of the library's own between them.
#include "acl/lookup/finders.h"
#include "acl/lookup/parts.h"
#include "acl/lookup/sql.h"
#include "core/base/ascii.h"

#include <mysql.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

namespace godwit::acl {
namespace {

constexpr std::string_view kDefaultGroup = "exim";

struct FreeResult {
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};
using ResultPointer = std::unique_ptr<MYSQL_RES, FreeResult>;

const char* or_null(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

Result<LookupFound> rows_of(MYSQL_RES* result) {
  std::string text;
  const unsigned fields = mysql_num_fields(result);
  const MYSQL_FIELD* const names = mysql_fetch_fields(result);
  bool first = true;
  // All rows are here already: nothing waits.
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* const lengths = mysql_fetch_lengths(result);
    if (!first) text += '\n';
    first = false;
    for (unsigned i = 0; i < fields; ++i) {
      const std::string_view value =
          row[i] == nullptr ? std::string_view() : std::string_view(row[i], lengths[i]);
      if (fields == 1) {
        text += value;
      } else {
        append_sql_field(text, names[i].name, value);
      }
    }
    if (text.size() > kAnswerBytesMax) return deferred("the answer is too long");
  }
  if (first) return LookupFound();
  return found(std::move(text));
}

class MysqlConnection final : public SqlConnection {
 public:
  explicit MysqlConnection(Loop& loop) : loop_(loop) { mysql_init(&mysql_); }
  ~MysqlConnection() override {
    // Saying goodbye must not wait for a server that does not listen.
    if (is_open_ && !is_idle_) ::shutdown(mysql_get_socket(&mysql_), SHUT_RDWR);
    mysql_close(&mysql_);
  }

  Task<Result<void>> open(SqlTarget target, Instant deadline) override {
    const std::string group = target.group.empty() ? std::string(kDefaultGroup) : target.group;
    mysql_options(&mysql_, MYSQL_OPT_NONBLOCK, nullptr);
    mysql_options(&mysql_, MYSQL_READ_DEFAULT_GROUP, group.c_str());
    const char* const host = target.address.empty() ? "localhost" : target.address.c_str();
    MYSQL* connected = nullptr;
    int waits = mysql_real_connect_start(&connected, &mysql_, host, or_null(target.user),
                                         or_null(target.password), or_null(target.database),
                                         target.port, or_null(target.socket), CLIENT_MULTI_RESULTS);
    while (waits != 0) {
      const int ready = co_await ok(wait_ready(waits, deadline));
      waits = mysql_real_connect_cont(&connected, &mysql_, ready);
    }
    if (connected == nullptr) co_return problem();
    is_open_ = true;
    is_idle_ = true;
    co_return Result<void>();
  }

  Task<Result<LookupFound>> query(std::string text, Instant deadline) override {
    is_idle_ = false;
    int failed = 0;
    int waits = mysql_real_query_start(&failed, &mysql_, text.data(), text.size());
    while (waits != 0) {
      const int ready = co_await ok(wait_ready(waits, deadline));
      waits = mysql_real_query_cont(&failed, &mysql_, ready);
    }
    if (failed != 0) co_return refused();
    Result<LookupFound> answer = co_await take_result(deadline);
    co_await ok(skip_results(deadline));
    is_idle_ = true;
    co_return std::move(answer);
  }

  bool is_usable() const override { return is_open_ && is_idle_; }
  int descriptor() const override { return is_open_ ? mysql_get_socket(&mysql_) : -1; }

 private:
  Error problem() { return deferred(mysql_error(&mysql_)); }

  // The server's refusal of a query leaves the connection as it was; errors of the client (2000 and
  // up) mean that it is lost.
  Error refused() {
    constexpr unsigned kClientErrors = 2000;
    constexpr unsigned kClientErrorsEnd = 3000;
    const unsigned number = mysql_errno(&mysql_);
    is_idle_ = number < kClientErrors || number >= kClientErrorsEnd;
    return problem();
  }

  Task<Result<int>> wait_ready(int waits, Instant deadline) {
    const int fd = mysql_get_socket(&mysql_);
    const bool reads = (waits & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) != 0;
    const auto state =
        co_await DescriptorReady(loop_, fd, reads, (waits & MYSQL_WAIT_WRITE) != 0, deadline);
    if (!state) co_return state.error();
    co_return (state->readable ? waits & MYSQL_WAIT_READ : 0) |
        (state->writable ? MYSQL_WAIT_WRITE : 0);
  }

  // Rows, or how many rows were changed.
  Task<Result<LookupFound>> take_result(Instant deadline) {
    MYSQL_RES* stored = nullptr;
    int waits = mysql_store_result_start(&stored, &mysql_);
    while (waits != 0) {
      const int ready = co_await ok(wait_ready(waits, deadline));
      waits = mysql_store_result_cont(&stored, &mysql_, ready);
    }
    const ResultPointer result(stored);
    if (result != nullptr) co_return rows_of(result.get());
    if (mysql_field_count(&mysql_) != 0) co_return problem();
    LookupFound changed = found(std::to_string(mysql_affected_rows(&mysql_)));
    changed->cacheable = false;
    co_return std::move(changed);
  }

  // A procedure's call ends with a status of its own.
  Task<Result<void>> skip_results(Instant deadline) {
    while (mysql_more_results(&mysql_) != 0) {
      int status = 0;
      int waits = mysql_next_result_start(&status, &mysql_);
      while (waits != 0) {
        const int ready = co_await ok(wait_ready(waits, deadline));
        waits = mysql_next_result_cont(&status, &mysql_, ready);
      }
      if (status > 0) co_return problem();
      if (status < 0) co_return Result<void>();
      const Result<LookupFound> skipped = co_await take_result(deadline);
      if (!skipped) co_return skipped.error();
    }
    co_return Result<void>();
  }

  Loop& loop_;
  mutable MYSQL mysql_;
  bool is_open_ = false;
  bool is_idle_ = false;  // no query is under way
};

std::unique_ptr<SqlConnection> make_connection(Loop& loop) {
  return std::make_unique<MysqlConnection>(loop);
}

// Without a path the library has its own.
Result<void> set_socket(const ServerSpec& server, SqlTarget& target) {
  target.socket = server.socket;
  return {};
}

constexpr SqlDialect kDialect{
    {"MySQL", "MySQL", "mysql_servers", 3, 3306}, "MYSQL", make_connection, set_socket};

}  // namespace

const SqlDialect& mysql_dialect() noexcept {
  return kDialect;
}

Result<LookupFound> find_mysql(LookupParts& parts, const LookupCall& call) {
  return parts.mysql.ask(call.options, call.key);
}

}  // namespace godwit::acl
