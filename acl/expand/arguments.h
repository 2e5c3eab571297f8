// What the functions of items and conditions share: evaluated arguments with their taint, the
// yes/no tail, and the state ($value, $item, $1) that is put back when an item ends.
#pragma once

#include "acl/expand/node.h"
#include "acl/expand/regex.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace godwit::acl {

struct Value {
  std::string text;
  bool tainted = false;
};

// One argument, evaluated where it is read. A constant, or a variable that is a text of the facts,
// is shown where it stands, not copied: node and facts must outlive this.
class Argument {
 public:
  EvalStatus read(const Sequence& sequence, EvalContext& context);
  // The same, and shows $value and $item where they stand, too: for a caller that evaluates nothing
  // else while it looks at the text.
  EvalStatus peek(const Sequence& sequence, EvalContext& context);
  std::string_view text() const noexcept { return text_; }
  bool tainted() const noexcept { return made_.tainted; }

 private:
  bool show(const Sequence& sequence, EvalContext& context, bool moving_too);

  Value made_;
  std::string_view text_;
};

// Both arguments of a comparison that evaluates nothing else while it looks at them.
EvalStatus read_pair(const std::vector<Sequence>& sequences, EvalContext& context,
                     std::array<Argument, 2>& pair);

// Evaluates one argument. The taint goes to the value only.
EvalStatus read_value(const Sequence& sequence, EvalContext& context, Value& value);
// All of them, in order.
EvalStatus read_values(const std::vector<Sequence>& sequences, EvalContext& context,
                       std::vector<Value>& values);

// Each keeps what it is named after, empties it, and puts it back.
class ValueGuard {
 public:
  explicit ValueGuard(EvalContext& context)
      : context_(context),
        value_(std::exchange(context.value, {})),
        tainted_(std::exchange(context.value_tainted, false)) {}
  ~ValueGuard() {
    context_.value = std::move(value_);
    context_.value_tainted = tainted_;
  }
  ValueGuard(const ValueGuard&) = delete;
  ValueGuard& operator=(const ValueGuard&) = delete;

 private:
  EvalContext& context_;
  std::string value_;
  bool tainted_;
};
class ItemGuard {
 public:
  ItemGuard(EvalContext& context, bool item_tainted)
      : context_(context),
        item_(std::exchange(context.item, {})),
        tainted_(std::exchange(context.item_tainted, item_tainted)) {}
  ~ItemGuard() {
    context_.item = std::move(item_);
    context_.item_tainted = tainted_;
  }
  ItemGuard(const ItemGuard&) = delete;
  ItemGuard& operator=(const ItemGuard&) = delete;

 private:
  EvalContext& context_;
  std::string item_;
  bool tainted_;
};
class CapturesGuard {
 public:
  CapturesGuard(EvalContext& context, bool captures_tainted)
      : context_(context),
        captures_(std::exchange(context.captures, {})),
        tainted_(std::exchange(context.captures_tainted, captures_tainted)) {}
  ~CapturesGuard() {
    context_.captures = std::move(captures_);
    context_.captures_tainted = tainted_;
  }
  CapturesGuard(const CapturesGuard&) = delete;
  CapturesGuard& operator=(const CapturesGuard&) = delete;

 private:
  EvalContext& context_;
  std::vector<std::string> captures_;
  bool tainted_;
};

// Keeps $value, $item and $0.., leaves them as they are, and puts them back. For what runs a
// condition that sets them (ConditionNode::sets), and for ACLs.
class StateGuard {
 public:
  explicit StateGuard(EvalContext& context);
  ~StateGuard();
  StateGuard(const StateGuard&) = delete;
  StateGuard& operator=(const StateGuard&) = delete;

 private:
  EvalContext& context_;
  std::vector<std::string> captures_;
  std::string value_;
  std::string item_;
  bool captures_tainted_;
  bool value_tainted_;
  bool item_tainted_;
};

// The end of an item with a yes/no tail: the branch that `yes` chooses, the first with `value` as
// $value;
// without branches `value` itself, or nothing where `yes` is false.
EvalStatus finish_tail(const Node& node, EvalContext& context, bool yes, Value value,
                       std::string& out);

// A regular expression that was compiled at load.
struct RegexData final : ItemData {
  explicit RegexData(Regex compiled) : regex(std::move(compiled)) {}
  Regex regex;
};
// That of `data` where there is one, else `pattern`, compiled now into `made`. Null: `made` says
// why, for the operator.
const Regex* regex_for(const ItemData* data, std::string_view pattern, Result<Regex>& made);
Result<Regex> compile_regex(std::string_view pattern);

// For text that evaluation made and that is compiled and evaluated in its turn.
CompileOptions run_time_options(const EvalContext& context);

// Sets $value, which StateGuard or the end of the evaluation puts back.
void set_value(EvalContext& context, std::string text, bool tainted);

}  // namespace godwit::acl
