// The face that compiled lists show to expansions (match_domain) and to ACL conditions. acl/lists
// implements it; acl/expand only knows this file.
#pragma once

#include "acl/expand/context.h"
#include "core/base/ip_address.h"
#include "core/config/diagnostics.h"
#include "core/config/document.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

using config::ListKind;

enum class Match : uint8_t { no, yes, defer };

struct ListMatch {
  Match match = Match::no;
  std::string data;     // yes: what $domain_data and its kin become
  std::string message;  // defer: why
};

// What is looked for. Domain, local part and address lists use `text`; host lists use the others.
struct ListSubject {
  std::string_view text;
  std::optional<IpAddress> address;  // none: no remote host
  std::string_view host_name;        // verified name, where it is known
  bool is_client = false;            // its name may be asked through EvalContext::client
};

// Compiled; never changes; shared between workers' snapshots.
class ListPattern {
 public:
  virtual ~ListPattern() = default;
  virtual ListMatch match(const ListSubject& subject, EvalContext& context) const = 0;
  // True where a match may have to wait for an answer from outside.
  virtual bool can_suspend() const noexcept { return true; }
  // True where the same subject gets the same answer for as long as a message lasts.
  virtual bool is_stable() const noexcept { return false; }
  // True where a stable answer costs more than a look at one that was kept (ListDecisions).
  virtual bool is_worth_keeping() const noexcept { return false; }
};

struct ListOptions {
  // False: the text is taken as it stands (match_domain and its kin).
  bool expand = true;
  // Items that are known but not available yet defer at match time instead of being refused at
  // load. For options that are checked but do not act yet.
  bool tolerate_unavailable = false;
  // How traces name the list; empty: by its text.
  std::string label = {};
  // Items of local parts keep their case from the start, as behind +caseful.
  bool caseful = false;
  // The text came from outside: its items may not name files.
  bool tainted = false;
};

class ListCompiler {
 public:
  virtual ~ListCompiler() = default;
  // Null where the list is wrong; `diagnostics` says why.
  virtual std::shared_ptr<const ListPattern> compile(ListKind kind, const config::LocatedText& text,
                                                     const ListOptions& options,
                                                     config::Diagnostics& diagnostics) const = 0;
  // The text of a named list as it was written, for ${listnamed. Nothing where there is none.
  virtual std::optional<std::string> text_of(ListKind kind, std::string_view name) const {
    (void)kind, (void)name;
    return std::nullopt;
  }
};

}  // namespace godwit::acl
