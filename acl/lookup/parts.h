// What the lookups of a worker keep: open files, parsed files, connections, and the pool.
// Made by LookupSet, used by the find functions.
#pragma once

#include "acl/lookup/cdb.h"
#include "acl/lookup/json_file.h"
#include "acl/lookup/line_file.h"
#include "acl/lookup/lmdb.h"
#include "acl/lookup/lookup_set.h"
#include "acl/lookup/lsearch.h"
#include "acl/lookup/pool.h"
#include "acl/lookup/positional_file.h"
#include "acl/lookup/redis.h"
#include "acl/lookup/sql.h"
#include "acl/lookup/sqlite.h"
#include "acl/lookup/text_file.h"

#include <memory>
#include <string>

namespace godwit::acl {

struct LookupParts {
  LookupParts(Loop& the_loop, LookupSetOptions the_options);

  Loop& loop;
  const LookupSetOptions options;
  LookupPool pool;
  SharedWork<Result<LookupFound>> shared;  // questions of shareable query types
  TextFiles<LineFile> line_files;
  TextFiles<WildFile> wild_files;
  TextFiles<AddressFile> address_files;
  TextFiles<JsonFile> json_files;
  Databases<Cdb> cdbs;
  Databases<Lmdb> lmdbs;
  SqliteFiles sqlite;
  RedisServers redis;
  SqlServers pgsql;
  SqlServers mysql;
};

// Asks on the loop what is in memory, and on the pool what is not. `what` and the file's name begin
// the messages.
template <class Database>
Result<LookupFound> ask_database(LookupParts& parts, const LookupCall& call,
                                 const std::shared_ptr<Database>& database, std::string_view what) {
  struct Outcome {
    DatabaseStatus status;
    std::string value;
    std::string problem;
  };
  const auto judge = [&](Outcome outcome) -> Result<LookupFound> {
    if (outcome.status == DatabaseStatus::found) return found(std::move(outcome.value));
    if (outcome.status == DatabaseStatus::missing) return LookupFound();
    return deferred(std::string(what) + std::string(call.file) + ": " + outcome.problem);
  };
  Outcome outcome;
  outcome.status = database->get(call.key, false, outcome.value, outcome.problem);
  if (outcome.status != DatabaseStatus::would_wait) return judge(std::move(outcome));
  const auto from_disk = [file = database->file(), key = std::string(call.key)] {
    Database other(file);
    Outcome late;
    late.status = other.get(key, true, late.value, late.problem);
    return Result<Outcome>(std::move(late));
  };
  Result<Outcome> late = parts.pool.run(call.file, from_disk);
  if (!late) return late.error();
  return judge(std::move(*late));
}

}  // namespace godwit::acl
