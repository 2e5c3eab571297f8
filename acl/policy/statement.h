// Compiled ACLs: statements of conditions and modifiers in textual order.
// Made by compile.cc, run by evaluate.cc. Immutable once compiled.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/policy/acl.h"
#include "acl/policy/rows.h"
#include "core/config/located_text.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace godwit::acl {

// What a condition keeps of a value that never changes: ratelimit's and seen's question.
struct ConditionData {
  virtual ~ConditionData() = default;
};

struct AclCondition {
  const AclRow* row = nullptr;
  bool negated = false;
  config::Place place;
  std::string shown;                        // the value as written, for traces
  Expansion text;                           // the value, where it is expanded
  std::shared_ptr<const ListPattern> list;  // the value, where it is a list
  std::shared_ptr<const ConditionData> data;
  std::string variable;  // of `set`
  AclCall call;          // of `acl`
};

struct AclStatement {
  const VerbRow* verb = nullptr;
  config::Place place;
  std::vector<AclCondition> conditions;
};

struct CompiledAcl {
  std::string name;  // empty: inline
  std::vector<AclStatement> statements;
};

}  // namespace godwit::acl
