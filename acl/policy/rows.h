// The tables of the ACL language: verbs, conditions and modifiers, controls. A row says where a
// name is legal and which function does it; a row without a function is known and not available
// yet.
#pragma once

#include "acl/expand/list_pattern.h"
#include "acl/policy/acl.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace godwit::acl {

struct AclCondition;
class AclRun;

// A set of moments.
using WhereMask = uint32_t;
constexpr WhereMask where_bit(AclWhere where) noexcept {
  return WhereMask{1} << static_cast<unsigned>(where);
}
inline constexpr WhereMask kAnywhere = (WhereMask{1} << kAclWhereCount) - 1;
constexpr WhereMask only(std::initializer_list<AclWhere> wheres) noexcept {
  WhereMask mask = 0;
  for (AclWhere where : wheres) mask |= where_bit(where);
  return mask;
}
constexpr WhereMask all_but(std::initializer_list<AclWhere> wheres) noexcept {
  return kAnywhere & ~only(wheres);
}

// What a condition, a modifier or a whole ACL says. `defer`: could not be decided now; a warn
// statement is then skipped. `error`: the configuration is at fault; the ACL defers whatever the
// verb.
enum class Answer : uint8_t { yes, no, drop, discard, defer, error };

enum class Verb : uint8_t { accept, defer, deny, discard, drop, require, warn };
struct VerbRow {
  std::string_view name;
  Verb verb;
  bool endpass;             // may stand in a statement of this verb
  bool message_when_true;   // `message` is used where all conditions hold
  bool message_when_false;  // and where one does not
  WhereMask legal;
  std::string_view doc;
};
std::span<const VerbRow> verb_rows() noexcept;

enum class ValueShape : uint8_t {
  none,      // endpass
  expanded,  // expanded before the function runs
  text,      // kept; expanded when the statement ends: message, log_message
  list,      // a list of `kind`
  set,       // set name = value
  call,      // an ACL
};

struct AclRow {
  std::string_view name;
  bool modifier;  // no condition: always true, cannot be negated
  ValueShape shape;
  ListKind kind;  // of a list
  WhereMask legal;
  // `value` is the expanded text. Null: not available yet; a load warns, and it defers.
  Answer (*run)(AclRun& run, const AclCondition& condition, const std::string& value);
  std::string_view doc;
};
std::span<const AclRow> acl_rows() noexcept;

// `option` is what follows the slash of control = name/option; empty where there is none.
struct ControlRow {
  std::string_view name;
  WhereMask legal;
  // False: the option is wrong. Null: does not act yet, of which a load warns.
  bool (*apply)(AclControls& controls, std::string_view options);
  std::string_view doc;
};
std::span<const ControlRow> control_rows() noexcept;

// control = name/options, or the older name=option.
struct ControlText {
  const ControlRow* row = nullptr;
  std::string_view name;
  std::string_view options;
};
ControlText parse_control(std::string_view text) noexcept;

}  // namespace godwit::acl
