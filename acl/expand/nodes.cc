// What the nodes of compiled strings do.
#include "acl/expand/node.h"
#include "acl/expand/operators.h"

namespace godwit::acl {

EvalStatus run_literal(const Node& node, EvalContext&, std::string& out) {
  out += node.text;
  return EvalStatus::ok;
}

EvalStatus run_variable(const Node& node, EvalContext& context, std::string& out) {
  return append_variable(node.variable, node.text, context, out);
}

EvalStatus run_capture(const Node& node, EvalContext& context, std::string& out) {
  if (node.number_count < context.captures.size()) out += context.captures[node.number_count];
  return EvalStatus::ok;
}

EvalStatus run_operator(const Node& node, EvalContext& context, std::string& out) {
  std::string operand;
  const EvalStatus status = run_sequence(node.parts[0], context, operand);
  return status == EvalStatus::ok ? node.op->run(node, operand, context, out) : status;
}

EvalStatus run_unavailable(const Node& node, EvalContext& context, std::string&) {
  return fail(context, node.text + " is not available yet");
}

EvalStatus run_unavailable_condition(const ConditionNode& node, EvalContext& context, bool&) {
  return fail(context, node.text + " is not available yet");
}

// `fail` in place of a branch.
EvalStatus run_fail(const Node&, EvalContext& context, std::string&) {
  context.error = "\"if\" failed and \"fail\" requested";
  return EvalStatus::forced_fail;
}

// parts: what a true and a false condition give. $value and $1 that the condition set hold inside.
EvalStatus run_if(const Node& node, EvalContext& context, std::string& out) {
  const auto captures = context.captures;
  const std::string value = context.value;
  bool answer = false;
  EvalStatus status = run_condition(node.conditions[0], context, answer);
  if (status == EvalStatus::ok) status = run_sequence(node.parts[answer ? 0 : 1], context, out);
  context.captures = captures;
  context.value = value;
  return status;
}

}  // namespace godwit::acl
