#include "acl/lookup/sqlite.h"

#include "acl/lookup/parts.h"
#include "acl/lookup/sql.h"
#include "core/base/ascii.h"
#include "core/io/clock.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace godwit::acl {
namespace {

constexpr int kStepsBetweenChecks = 10'000;  // of SQLite's machine
constexpr std::string_view kNull = "<NULL>";

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// All rows, as in Exim: a line each.
class RowText {
 public:
  void add(sqlite3_stmt* row) {
    if (has_rows_) text_ += '\n';
    has_rows_ = true;
    const int fields = sqlite3_column_count(row);
    for (int i = 0; i < fields; ++i) {
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(row, i));
      const auto size = static_cast<size_t>(sqlite3_column_bytes(row, i));
      const std::string_view value = bytes == nullptr ? kNull : std::string_view(bytes, size);
      if (fields == 1) {
        text_ += value;
      } else {
        append_sql_field(text_, sqlite3_column_name(row, i), value);
      }
    }
  }
  bool is_too_long() const { return text_.size() > kAnswerBytesMax; }
  LookupFound take() {
    if (!has_rows_) return {};
    return found(std::move(text_));
  }

 private:
  std::string text_;
  bool has_rows_ = false;
};

}  // namespace

// Used by one thread at a time.
class SqliteDatabase {
 public:
  SqliteDatabase(std::string path, FileStamp stamp) : path_(std::move(path)), stamp_(stamp) {}
  ~SqliteDatabase() { sqlite3_close_v2(database_); }
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  bool is_file(const std::string& path, const FileStamp& stamp) const {
    return path == path_ && stamp.is_same_file(stamp_);
  }
  // Blocks.
  Result<LookupFound> ask(const std::string& query, Millis lock_timeout);

 private:
  Result<void> open(Millis lock_timeout);
  Result<void> run(const char*& sql, RowText& rows);
  Error problem(std::string_view what) const {
    return deferred("sqlite: " + std::string(what) + ": " + sqlite3_errmsg(database_));
  }
  static int on_progress(void* self) {
    const auto* database = static_cast<const SqliteDatabase*>(self);
    return database->clock_.now() > database->deadline_ ? 1 : 0;
  }

  std::string path_;
  FileStamp stamp_;
  sqlite3* database_ = nullptr;
  SystemClock clock_;
  Instant deadline_{0};
};

Result<void> SqliteDatabase::open(Millis lock_timeout) {
  if (database_ != nullptr) return {};
  const int both = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
  if (sqlite3_open_v2(path_.c_str(), &database_, both, nullptr) != SQLITE_OK)
    return problem("failed to open " + path_);
  sqlite3_busy_timeout(database_, static_cast<int>(lock_timeout.count));
  sqlite3_progress_handler(database_, kStepsBetweenChecks, &SqliteDatabase::on_progress, this);
  return {};
}

Result<void> SqliteDatabase::run(const char*& sql, RowText& rows) {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(database_, sql, -1, &prepared, &sql) != SQLITE_OK)
    return problem("query failed");
  const std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement(prepared);
  if (statement == nullptr) return {};  // white space or a comment
  for (;;) {
    const int status = sqlite3_step(statement.get());
    if (status == SQLITE_DONE) return {};
    if (status != SQLITE_ROW) return problem("query failed");
    rows.add(statement.get());
    if (rows.is_too_long()) return deferred("sqlite: the answer is too long");
  }
}

Result<LookupFound> SqliteDatabase::ask(const std::string& query, Millis lock_timeout) {
  deadline_ = clock_.now() + kSqliteQueryTime;
  const Result<void> opened = open(lock_timeout);
  if (!opened) return opened.error();
  RowText rows;
  for (const char* sql = query.c_str(); *sql != '\0';) {
    const Result<void> done = run(sql, rows);
    if (!done) return done.error();
  }
  LookupFound answer = rows.take();
  // What changes the file may have another answer the next time.
  if (answer) answer->cacheable = starts_with_ignore_case(trim_left(query), "select");
  return answer;
}

SqliteFiles::SqliteFiles(LookupPool& pool, Millis lock_timeout)
    : pool_(pool), lock_timeout_(lock_timeout) {}

SqliteFiles::~SqliteFiles() = default;

Result<LookupFound> SqliteFiles::ask(const std::string& path, std::string_view query) {
  FileStamp stamp;
  const int errno_value = stat_file(path, stamp);
  if (errno_value != 0)
    return deferred("sqlite: failed to open " + path + ": " + std::strerror(errno_value));
  std::shared_ptr<SqliteDatabase> database;
  const auto place = std::ranges::find_if(
      idle_, [&](const auto& candidate) { return candidate->is_file(path, stamp); });
  if (place != idle_.end()) {
    database = std::move(*place);
    idle_.erase(place);
  } else {
    database = std::make_shared<SqliteDatabase>(path, stamp);
  }
  const auto work = [database, text = std::string(query), timeout = lock_timeout_] {
    return database->ask(text, timeout);
  };
  Result<LookupFound> answer = pool_.run("a query to SQLite", work);
  // One that failed may hold an open transaction.
  if (answer) idle_.push_back(std::move(database));
  if (idle_.size() > kSqliteIdleMax) idle_.erase(idle_.begin());
  return answer;
}

// The file comes from the option, from before the query (an old form), or from sqlite_dbfile.
Result<LookupFound> find_sqlite(LookupParts& parts, const LookupCall& call) {
  std::string_view query = trim_left(call.key);
  std::string path(call.options.get("file").value_or(""));
  if (path.empty() && query.starts_with('/')) {
    size_t end = 0;
    while (end < query.size() && !is_space(query[end])) ++end;
    path = query.substr(0, end);
    query = trim_left(query.substr(end));
  }
  if (path.empty()) path = parts.options.sqlite_dbfile;
  if (!path.starts_with('/')) return deferred("absolute file name expected for \"sqlite\" lookup");
  return parts.sqlite.ask(path, query);
}

}  // namespace godwit::acl
