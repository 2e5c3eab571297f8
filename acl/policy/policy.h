// CompiledPolicy: everything of a configuration that floor 5 compiles, as one immutable object.
// The daemon keeps it in a shared_ptr and swaps it on HUP. Sessions hold the one they began with.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/lists/lists.h"
#include "acl/policy/acl.h"
#include "acl/policy/events.h"
#include "core/config/diagnostics.h"
#include "core/config/document.h"
#include "core/config/main_options.h"

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace godwit::acl {

class CompiledPolicy {
 public:
  const config::MainOptions& options() const noexcept { return options_; }
  const std::shared_ptr<const NamedLists>& lists() const noexcept { return lists_; }
  const Acls& acls() const noexcept { return *acls_; }
  // The ACL of acl_smtp_<where>; not set where the option is not.
  const AclCall& acl(AclWhere where) const noexcept { return calls_[static_cast<size_t>(where)]; }

  // Compiled main options by name. The name must be an option of that type (an assertion).
  const Expansion& expansion(std::string_view option) const;
  const ListPattern& list(std::string_view option) const;
  // The main option event_action.
  const EventActions& events() const noexcept { return events_; }

 private:
  friend class OptionCompiler;
  friend std::shared_ptr<const CompiledPolicy> compile_policy(const config::ConfigDocument&,
                                                              config::Diagnostics&);
  config::MainOptions options_;
  std::shared_ptr<const NamedLists> lists_;
  std::shared_ptr<const Acls> acls_;
  std::array<AclCall, kAclWhereCount> calls_;
  EventActions events_{"main"};
  std::map<std::string, Expansion, std::less<>> expansions_;
  std::map<std::string, std::shared_ptr<const ListPattern>, std::less<>> option_lists_;
};

// Main options, named lists, ACLs and all strings of main options, in that order. Never null: with
// errors in `diagnostics` the result is only good for finding more of them.
std::shared_ptr<const CompiledPolicy> compile_policy(const config::ConfigDocument& document,
                                                     config::Diagnostics& diagnostics);

}  // namespace godwit::acl
