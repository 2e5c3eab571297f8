// What a lookup type implements: a find function, called with the parsed question. A type's file
// holds all that it knows; partial and default keys, caching and waiting for equals are done once,
// in lookup_set.cc.
#pragma once

#include "acl/lookup/catalogue.h"
#include "acl/lookup/lookup.h"

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

class KeyPattern;

// The options after a type's comma. Views point into the LookupSpec.
class LookupOptions {
 public:
  explicit LookupOptions(std::string_view text) noexcept : text_(text) {}
  // The value of the option; nothing where it was not given.
  std::optional<std::string_view> get(std::string_view name) const noexcept;
  bool is(std::string_view name, std::string_view value) const noexcept;
  bool empty() const noexcept { return text_.empty(); }
  // Whether all names are known to the type; otherwise the first that is not.
  bool are_known(const LookupType& type, std::string_view& unknown) const noexcept;

 private:
  // Takes the next option off `rest`: "name=value,", with its value up to a comma.
  static bool next(std::string_view& rest, std::string_view& name,
                   std::string_view& value) noexcept;

  std::string_view text_;
};

struct LookupCall {
  const LookupSpec& spec;
  const LookupOptions& options;
  std::string_view file;
  std::string_view key;  // or the query
  const KeyExpander* expander = nullptr;
  int nesting = 0;  // of lookups that are keys of nwildlsearch
};

using LookupFound = std::optional<LookupAnswer>;

inline LookupFound found(std::string value) {
  LookupFound answer(std::in_place);
  answer->value = std::move(value);
  return answer;
}
inline Error deferred(std::string message) {
  return Error(Errc::lookup_deferred, std::move(message));
}
// Where no fiber is current, or where nobody may wait.
inline Error must_wait(std::string_view what) {
  return deferred(std::string(what) + " would have to wait, and nothing may wait here");
}

Result<LookupFound> find_cdb(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_dnsdb(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_dsearch(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_iplsearch(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_json(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_lmdb(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_lsearch(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_mysql(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_nwildlsearch(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_passwd(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_pgsql(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_redis(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_sqlite(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_testdb(LookupParts& parts, const LookupCall& call);
Result<LookupFound> find_wildlsearch(LookupParts& parts, const LookupCall& call);

// The key of `outer`, asked of the lookup that a key of its file is.
Result<LookupFound> find_nested(LookupParts& parts, const LookupCall& outer,
                                const KeyPattern& pattern);

}  // namespace godwit::acl
