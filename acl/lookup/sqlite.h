// SQLite files. Queries run on the thread pool; open databases are kept for the next query.
#pragma once

#include "acl/lookup/pool.h"
#include "acl/lookup/positional_file.h"
#include "core/base/time.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

class SqliteDatabase;  // hides sqlite3.h

class SqliteFiles {
 public:
  SqliteFiles(LookupPool& pool, Millis lock_timeout);
  ~SqliteFiles();

  Result<LookupFound> ask(const std::string& path, std::string_view query);

 private:
  LookupPool& pool_;
  Millis lock_timeout_;
  std::vector<std::shared_ptr<SqliteDatabase>> idle_;  // the longest idle first
};

}  // namespace godwit::acl
