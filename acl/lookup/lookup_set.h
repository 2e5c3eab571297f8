// LookupSet: the running part of the lookups, one a worker. It keeps open files and connections and
// does once for all types what they share: partial and default keys, waiting for the same question
// on its way, options. It keeps no answers; MessageLookups does, for one message.
//
// Everything belongs to the loop's thread. An answer that must wait does so on the current fiber;
// where there is none it is an Error. Errors are all of class temporary: could not be asked.
#pragma once

#include "acl/lookup/lookup.h"
#include "core/base/time.h"
#include "core/io/task.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace godwit {
class Loop;
}
namespace godwit::dns {
class Resolver;
}

namespace godwit::acl {

struct LookupParts;
struct RedisScript;  // redis.h

// Values of main options, by their names.
struct LookupSetOptions {
  std::string redis_servers;
  std::string pgsql_servers;
  std::string mysql_servers;
  std::string sqlite_dbfile;
  Millis sqlite_lock_timeout{5'000};
  size_t lookup_open_max = 25;        // files of each kind that are kept
  dns::Resolver* resolver = nullptr;  // null: dnsdb cannot be asked
  size_t csa_parents_max = 5;         // dns_csa_search_limit
};

class LookupSet final : public Lookups {
 public:
  LookupSet(Loop& loop, LookupSetOptions options);
  // After close().
  ~LookupSet() override;

  Result<std::optional<LookupAnswer>> find(const LookupQuestion& question) override;
  // What a script answered at one of redis_servers. Waits on the current fiber.
  Result<std::string> run_redis_script(const RedisScript& script,
                                       const std::vector<std::string>& arguments);
  // Keeps no answers.
  void forget() override {}
  // Ends all connections: whoever waits for an answer gets an Error. Complete when all are gone.
  Task<void> close();

 private:
  std::unique_ptr<LookupParts> parts_;
};

// The lookups of one message: what was found, or not found, is not asked again until forget().
// Errors are. Write one into the Services of each connection (or -be run).
class MessageLookups final : public Lookups {
 public:
  // `lookups` is asked; null where nobody will ask this object.
  explicit MessageLookups(Lookups* lookups) : lookups_(lookups) {}

  Result<std::optional<LookupAnswer>> find(const LookupQuestion& question) override;
  void forget() override { answers_.clear(); }

 private:
  Lookups* lookups_;
  std::unordered_map<std::string, std::optional<LookupAnswer>> answers_;
};

}  // namespace godwit::acl
