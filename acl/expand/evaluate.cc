// Evaluation of compiled trees.
#include "acl/expand/node.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"

#include <utility>

namespace godwit::acl {
namespace {

const std::string* find_acl_variable(std::string_view name, const EvalContext& context) {
  const AclVariables* table =
      name[4] == 'c' ? context.connection_variables : context.message_variables;
  if (table == nullptr) return nullptr;
  const auto found = table->find(name);
  return found == table->end() ? nullptr : &found->second;
}

EvalStatus append_pattern_variable(std::string_view name, EvalContext& context, std::string& out) {
  if (name.starts_with("acl_arg")) {
    const auto index = static_cast<size_t>(name[7] - '1');
    if (index < context.acl_args.size()) out += context.acl_args[index];
    return EvalStatus::ok;
  }
  // Router variables have no source before routing; they are empty.
  if (name.starts_with("r_")) return EvalStatus::ok;
  if (const std::string* value = find_acl_variable(name, context)) {
    out += *value;
    return EvalStatus::ok;
  }
  if (context.server == nullptr || !context.server->strict_acl_vars) return EvalStatus::ok;
  return fail(context,
              "unknown variable name \"" + std::string(name) + "\" (strict_acl_vars is set)");
}

}  // namespace

EvalStatus fail(EvalContext& context, std::string message) {
  context.error = std::move(message);
  return EvalStatus::failed;
}

EvalStatus append_variable(const VariableRow* row, std::string_view name, EvalContext& context,
                           std::string& out) {
  if (row == nullptr) return append_pattern_variable(name, context, out);
  if (row->append != nullptr) row->append(context, out);
  return EvalStatus::ok;
}

EvalStatus run_sequence(const Sequence& sequence, EvalContext& context, std::string& out) {
  const DepthGuard guard(context);
  if (guard.too_deep()) return fail(context, "the expansion is nested too deeply");
  for (const Node& node : sequence) {
    const EvalStatus status = node.run(node, context, out);
    if (status != EvalStatus::ok) return status;
    if (out.size() > kExpansionBytesMax) return fail(context, "the expansion is too long");
  }
  return EvalStatus::ok;
}

EvalStatus run_condition(const ConditionNode& node, EvalContext& context, bool& answer) {
  const DepthGuard guard(context);
  if (guard.too_deep()) return fail(context, "the condition is nested too deeply");
  const EvalStatus status = node.run(node, context, answer);
  if (status == EvalStatus::ok) answer = answer != node.negated;
  return status;
}

bool Expansion::is_constant() const noexcept {
  return !program_ || program_->nodes.empty();
}

std::string_view Expansion::constant() const noexcept {
  return program_ ? std::string_view(program_->constant) : std::string_view();
}

std::string_view Expansion::source() const noexcept {
  return program_ ? std::string_view(program_->source) : std::string_view();
}

bool Expansion::can_suspend() const noexcept {
  return program_ && program_->suspends;
}

EvalResult Expansion::evaluate(EvalContext& context) const {
  if (is_constant()) return {EvalStatus::ok, std::string(constant())};
  const auto captures = context.captures;
  std::string value = context.value;
  std::string item = context.item;
  context.error.clear();
  EvalResult result;
  result.status = run_sequence(program_->nodes, context, result.text);
  if (!result.ok()) result.text = std::exchange(context.error, {});
  context.captures = captures;
  context.value = std::move(value);
  context.item = std::move(item);
  return result;
}

std::optional<bool> truth_of(std::string_view text) noexcept {
  if (text.empty()) return false;
  if (equals_ignore_case(text, "no") || equals_ignore_case(text, "false")) return false;
  if (equals_ignore_case(text, "yes") || equals_ignore_case(text, "true")) return true;
  std::string_view digits = text;
  if (digits.front() == '-') digits.remove_prefix(1);
  if (digits.empty()) return std::nullopt;
  bool zero = true;
  for (char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    zero = zero && c == '0';
  }
  return !zero;
}

bool lax_truth_of(std::string_view text) noexcept {
  return truth_of(trim(text)).value_or(true);
}

}  // namespace godwit::acl
