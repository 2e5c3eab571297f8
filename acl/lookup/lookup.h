// Lookups: a key or a query answered from a file, a database or a server. EXIM.md 3.5.
// The catalogue (types, their options, quoting) is static and serves the compilers at load; Lookups
// is the running part, one a worker: open files, connections, caches. Used by acl/expand
// (`${lookup`) and acl/lists; knows neither.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

struct LookupType;  // a row of the catalogue; catalogue.h

enum class LookupFallback : uint8_t {
  none,
  star,     // type*: the key "*"
  star_at,  // type*@: "*@domain", then "*"
};

// "partial1(.)-lsearch*@,ret=full", parsed. A value.
struct LookupSpec {
  const LookupType* type = nullptr;
  bool query_style = false;          // has no key and file, but a query
  int partial_labels = -1;           // labels that stay of the key; -1: not a partial lookup
  std::string partial_affix = "*.";  // before what is left of the key
  LookupFallback fallback = LookupFallback::none;
  std::string options;  // what follows the first comma: "ret=full,filter=file"
};

struct LookupAnswer {
  std::string value;
  // Of a partial or wildcard match: $1, the part that the wildcard stands for, and $2, the rest.
  std::vector<std::string> captures;
  bool cacheable = true;
  std::optional<bool> dnssec;  // $lookup_dnssec_authenticated, of dnsdb
};

struct LookupProblem {
  std::string message;
  std::string hint;
  bool unavailable = false;  // known to the language, not built
};

// Nothing where the text is wrong.
std::optional<LookupSpec> parse_lookup_type(std::string_view text, LookupProblem& problem);
std::string_view lookup_type_name(const LookupType& type) noexcept;
// ${quote_<type>:...}. Null where no type has that name.
const LookupType* find_lookup_type(std::string_view name) noexcept;
// False where the type has no quoting.
bool quote_for_lookup(const LookupType& type, std::string_view text, std::string& out);

// Expands the keys of wildlsearch files in the asker's context; acl/expand implements it.
class KeyExpander {
 public:
  virtual ~KeyExpander() = default;
  virtual Result<std::string> expand_key(std::string_view text) const = 0;
};

// What a lookup is asked. Views live for the call.
struct LookupQuestion {
  const LookupSpec& spec;
  std::string_view file;                  // of a single-key type: a file, directory or empty
  std::string_view key;                   // or the query
  const KeyExpander* expander = nullptr;  // null: wildlsearch cannot be asked
  bool* was_cached = nullptr;             // set where the answer was known; null: nobody asks
};

class Lookups {
 public:
  virtual ~Lookups() = default;
  // Found, not found, or could not be asked. May wait on the current fiber (core/io/fiber.h);
  // where no fiber is current, an answer that would have to wait is Errc::temporary.
  virtual Result<std::optional<LookupAnswer>> find(const LookupQuestion& question) = 0;
  // Forgets cached answers: at the end of a message or an -be line. See MessageLookups.
  virtual void forget() = 0;
};

}  // namespace godwit::acl
