// What the functions of items and conditions share: evaluated arguments with their taint, the
// yes/no tail, and the state ($value, $item, $1) that is put back when an item ends.
#pragma once

#include "acl/expand/node.h"
#include "acl/expand/regex.h"
#include "acl/expand/scratch.h"

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
  // The same, and shows $value, $1 and what ACLs have set where they stand, too: for a caller that
  // evaluates nothing else while it looks at the text.
  EvalStatus peek(const Sequence& sequence, EvalContext& context) {
    return show(sequence, context) ? EvalStatus::ok : make(sequence, context);
  }
  std::string_view text() const noexcept { return text_; }
  bool tainted() const noexcept { return tainted_; }

 private:
  friend EvalStatus read_pair(const std::vector<Sequence>& sequences, EvalContext& context,
                              std::array<Argument, 2>& pair);

  // False where the text has to be made.
  bool show(const Sequence& sequence, EvalContext& context) {
    if (sequence.size() != 1) return sequence.empty();
    const Node& node = sequence.front();
    if (node.run != run_literal) return show_variable(node, context);
    text_ = node.text;
    return true;
  }
  bool show_variable(const Node& node, EvalContext& context);
  EvalStatus make(const Sequence& sequence, EvalContext& context);
  // Copies what may change while something else is evaluated.
  void keep();

  Scratch made_;
  std::string_view text_;
  bool tainted_ = false;
  bool moves_ = false;  // shown, and not as fixed as a text of the facts
};

// Both arguments of a comparison that evaluates nothing else while it looks at them.
EvalStatus read_pair(const std::vector<Sequence>& sequences, EvalContext& context,
                     std::array<Argument, 2>& pair);

// Evaluates one argument to the end of `text`. The taint goes to `tainted` only.
EvalStatus read_text(const Sequence& sequence, EvalContext& context, std::string& text,
                     bool& tainted);
EvalStatus read_value(const Sequence& sequence, EvalContext& context, Value& value);
// All of them, in order.
EvalStatus read_values(const std::vector<Sequence>& sequences, EvalContext& context,
                       std::vector<Value>& values);

// Each keeps what it is named after, empties it, and puts it back.
class ValueGuard {
 public:
  explicit ValueGuard(EvalContext& context)
      : context_(context), tainted_(std::exchange(context.value_tainted, false)) {
    // Where there was none, the next one finds its memory again.
    if (!context.value.empty()) value_.swap(context.value);
  }
  ~ValueGuard() {
    context_.value.clear();
    if (!value_.empty()) context_.value.swap(value_);
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
    context_.item = item_;
    context_.item_tainted = tainted_;
  }
  ItemGuard(const ItemGuard&) = delete;
  ItemGuard& operator=(const ItemGuard&) = delete;

 private:
  EvalContext& context_;
  std::string_view item_;
  bool tainted_;
};
class CapturesGuard {
 public:
  CapturesGuard(EvalContext& context, bool captures_tainted)
      : context_(context), tainted_(std::exchange(context.captures_tainted, captures_tainted)) {
    if (!context.captures.empty()) captures_.swap(context.captures);
  }
  ~CapturesGuard() {
    context_.captures.clear();
    if (!captures_.empty()) context_.captures.swap(captures_);
    context_.captures_tainted = tainted_;
  }
  CapturesGuard(const CapturesGuard&) = delete;
  CapturesGuard& operator=(const CapturesGuard&) = delete;

 private:
  EvalContext& context_;
  Captures captures_;
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
  Captures captures_;
  std::string value_;
  std::string_view item_;
  bool captures_tainted_;
  bool value_tainted_;
  bool item_tainted_;
};

// The end of an item with a yes/no tail: the branch that `yes` chooses, the first with `value` as
// $value; without branches `value` itself, or nothing where `yes` is false. `value` must not be
// what $value or $1 shows.
EvalStatus finish_tail(const Node& node, EvalContext& context, bool yes, std::string_view value,
                       bool tainted, std::string& out);

// A regular expression that was compiled at load.
struct RegexData final : ItemData {
  explicit RegexData(Regex compiled) : regex(std::move(compiled)) {}
  Regex regex;
};
Result<Regex> compile_regex(std::string_view pattern);

// For text that evaluation made and that is compiled and evaluated in its turn.
CompileOptions run_time_options(const EvalContext& context);

// Sets $value, which StateGuard or the end of the evaluation puts back.
void set_value(EvalContext& context, std::string_view text, bool tainted);

}  // namespace godwit::acl
