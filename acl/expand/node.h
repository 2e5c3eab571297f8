// The tree behind an Expansion: nodes that append to a result, and conditions that answer yes or
// no. Used by the parser, which makes it, and by the functions of the rows, which run it. Immutable
// once compiled. `suspends` of a node says that it or something in it may wait.
#pragma once

#include "acl/expand/expansion.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

struct Node;
struct ConditionNode;
struct ConditionRow;
struct ItemRow;
struct OperatorRow;
struct VariableRow;
using Sequence = std::vector<Node>;

// Appends to `out`. Not ok: context.error says why.
using RunNode = EvalStatus (*)(const Node& node, EvalContext& context, std::string& out);
// Sets `answer`. Not ok: context.error says why.
using RunCondition = EvalStatus (*)(const ConditionNode& node, EvalContext& context, bool& answer);

// What an item keeps of its compilation: a regular expression, a lookup, the words of a command.
struct ItemData {
  virtual ~ItemData() = default;
};

struct Node {
  RunNode run = nullptr;
  std::string text;                       // a literal, or the name of a variable, item or operator
  const VariableRow* variable = nullptr;  // of a variable with a row
  const OperatorRow* op = nullptr;
  const ItemRow* item = nullptr;
  std::array<int64_t, 2> numbers{};  // of an operator: substr_3_2
  size_t number_count = 0;           // how many were given; or the index of a capture
  std::vector<Sequence> parts;       // the operand, or the arguments of an item
  std::vector<Sequence> tail;        // {yes} {no}, as many as were given
  bool tail_fails = false;           // `fail` stands where {no} may stand
  std::vector<ConditionNode> conditions;
  std::shared_ptr<const ItemData> data;
  bool suspends = false;
};

struct ConditionNode {
  RunCondition run = nullptr;
  const ConditionRow* row = nullptr;
  bool negated = false;
  uint8_t form = 0;                         // which of several comparisons a shared function does
  int64_t number = 0;                       // the constant that numbers are compared with
  std::string text;                         // what is not available
  std::vector<Sequence> args;               // of def: the variable or header
  std::vector<ConditionNode> children;      // of and, or, forany, forall
  std::shared_ptr<const ListPattern> list;  // of match_*
  std::shared_ptr<const ItemData> data;
  bool suspends = false;
  bool sets = false;  // it or one in it leaves $value or $1 to what comes after it
};

struct ExpansionProgram {
  std::string source;
  std::string constant;  // the value where the tree is empty
  Sequence nodes;
  bool suspends = false;
};

// True where `sequence` is literal text only; `text` becomes it.
bool is_literal(const Sequence& sequence, std::string* text = nullptr);

// Fails with a message for the operator.
EvalStatus fail(EvalContext& context, std::string message);
// Something could not be asked.
EvalStatus defer(EvalContext& context, std::string message);

// Evaluates `sequence` to the end of `out`; context.tainted becomes true where the value is.
EvalStatus run_sequence(const Sequence& sequence, EvalContext& context, std::string& out);
EvalStatus run_condition(const ConditionNode& node, EvalContext& context, bool& answer);

// What runs for the variable of `row`; null: one without a row.
RunNode variable_run(const VariableRow* row) noexcept;
// The value of $acl_m... or $r_...; null where it was never set.
const AclValue* find_set_variable(std::string_view name, const EvalContext& context);

// What nodes run; nodes.cc.
EvalStatus run_literal(const Node& node, EvalContext& context, std::string& out);
// Of a variable that is made; that is a text of the facts; that has no row ($acl_m..., $r_...).
EvalStatus run_made_variable(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_text_variable(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_set_variable(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_header(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_capture(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_operator(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_unavailable(const Node& node, EvalContext& context, std::string& out);
EvalStatus run_unavailable_condition(const ConditionNode& node, EvalContext& context, bool& answer);

}  // namespace godwit::acl
