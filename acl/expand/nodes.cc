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

const AclValue* find_set_variable(std::string_view name, const EvalContext& context) {
  const AclVariables* table = nullptr;
  if (name.starts_with("r_")) {
    if (context.address != nullptr) table = &context.address->variables;
  } else if (name.starts_with("acl_c")) {
    table = context.connection_variables;
  } else if (name.starts_with("acl_m")) {
    table = context.message_variables;
  }
  if (table == nullptr) return nullptr;
  const auto found = table->find(name);
  return found == table->end() ? nullptr : &found->second;
}

RunNode variable_run(const VariableRow* row) noexcept {
  if (row == nullptr) return run_set_variable;
  return row->source.text != nullptr ? run_text_variable : run_made_variable;
}

EvalStatus run_made_variable(const Node& node, EvalContext& context, std::string& out) {
  const VariableRow& row = *node.variable;
  if (row.source.append == nullptr) return EvalStatus::ok;
  const size_t before = out.size();
  row.source.append(context, out);
  if (out.size() > before && is_tainted(row.taint, context)) context.tainted = true;
  return EvalStatus::ok;
}

EvalStatus run_text_variable(const Node& node, EvalContext& context, std::string& out) {
  const VariableRow& row = *node.variable;
  const std::string_view text = row.source.text(context);
  if (text.empty()) return EvalStatus::ok;
  out += text;
  if (is_tainted(row.taint, context)) context.tainted = true;
  return EvalStatus::ok;
}

EvalStatus run_set_variable(const Node& node, EvalContext& context, std::string& out) {
  const std::string_view name = node.text;
  if (name.starts_with("acl_arg")) {
    const auto index = static_cast<size_t>(name[7] - '1');
    if (index < context.acl_args.size()) out += context.acl_args[index];
    context.tainted |= context.acl_args_tainted;
    return EvalStatus::ok;
  }
  if (const AclValue* value = find_set_variable(name, context)) {
    out += value->text;
    context.tainted |= value->tainted;
    return EvalStatus::ok;
  }
  const bool strict = context.server != nullptr && context.server->strict_acl_vars;
  if (!strict || name.starts_with("r_")) return EvalStatus::ok;
  return fail(context,
              "unknown variable name \"" + std::string(name) + "\" (strict_acl_vars is set)");
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
  const std::string_view text = context.captures[node.number_count];
  out += text;
  context.tainted |= context.captures_tainted && !text.empty();
  return EvalStatus::ok;
}

// The operator is told of its operand's taint only.
EvalStatus run_operator(const Node& node, EvalContext& context, std::string& out) {
  Argument operand;
  EvalStatus status = operand.peek(node.parts[0], context);
  if (status != EvalStatus::ok) return status;
  const bool before = std::exchange(context.tainted, operand.tainted());
  status = node.op->run(node, operand.text(), context, out);
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
