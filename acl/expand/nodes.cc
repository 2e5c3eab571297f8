// What the nodes of compiled strings do.
#include "acl/expand/arguments.h"
#include "acl/expand/headers.h"
#include "acl/expand/operators.h"
#include "acl/expand/variables.h"

#include <utility>

namespace godwit::acl {

bool is_literal(const Sequence& sequence, std::string* text) {
  std::string all;
  for (const Node& node : sequence) {
    if (node.run != run_literal) return false;
    all += node.text;
  }
  if (text != nullptr) *text = std::move(all);
  return true;
}

EvalStatus run_literal(const Node& node, EvalContext&, std::string& out) {
  out += node.text;
  return EvalStatus::ok;
}

EvalStatus run_variable(const Node& node, EvalContext& context, std::string& out) {
  return append_variable(node.variable, node.text, context, out);
}

EvalStatus run_header(const Node& node, EvalContext& context, std::string& out) {
  const std::optional<HeaderVariable> variable = header_variable(node.text);
  if (!variable) return fail(context, "unknown variable name \"" + node.text + "\"");
  const size_t before = out.size();
  append_header(context, *variable, out);
  context.tainted |= out.size() > before;
  return EvalStatus::ok;
}

EvalStatus run_capture(const Node& node, EvalContext& context, std::string& out) {
  if (node.number_count >= context.captures.size()) return EvalStatus::ok;
  const std::string& text = context.captures[node.number_count];
  out += text;
  context.tainted |= context.captures_tainted && !text.empty();
  return EvalStatus::ok;
}

EvalStatus run_operator(const Node& node, EvalContext& context, std::string& out) {
  std::string operand;
  const bool before = std::exchange(context.tainted, false);
  EvalStatus status = run_sequence(node.parts[0], context, operand);
  if (status == EvalStatus::ok) status = node.op->run(node, operand, context, out);
  context.tainted |= before;
  return status;
}

EvalStatus run_unavailable(const Node& node, EvalContext& context, std::string&) {
  return fail(context, node.text + " is not available");
}

EvalStatus run_unavailable_condition(const ConditionNode& node, EvalContext& context, bool&) {
  return fail(context, node.text + " is not available");
}

}  // namespace godwit::acl
