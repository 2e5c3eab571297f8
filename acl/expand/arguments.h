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

// One argument, evaluated where it is read. A constant is shown where it stands, not copied: the
// node must outlive this.
class Argument {
 public:
  EvalStatus read(const Sequence& sequence, EvalContext& context);
  std::string_view text() const noexcept { return text_; }
  bool tainted() const noexcept { return made_.tainted; }

 private:
  Value made_;
  std::string_view text_;
};

// Both arguments of a comparison.
EvalStatus read_pair(const std::vector<Sequence>& sequences, EvalContext& context,
                     std::array<Argument, 2>& pair);

// Evaluates one argument. The taint goes to the value only.
EvalStatus read_value(const Sequence& sequence, EvalContext& context, Value& value);
// All of them, in order.
EvalStatus read_values(const std::vector<Sequence>& sequences, EvalContext& context,
                       std::vector<Value>& values);

// Keeps $value, $item and $0.. and puts them back. For items that set them for a branch.
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
// That of `data` where there is one, else `pattern`, compiled now. The error is for the operator.
Result<Regex> regex_for(const ItemData* data, std::string_view pattern);

// For text that evaluation made and that is compiled and evaluated in its turn.
CompileOptions run_time_options(const EvalContext& context);

// Sets $value, which StateGuard or the end of the evaluation puts back.
void set_value(EvalContext& context, std::string text, bool tainted);

}  // namespace godwit::acl
