// Evaluation of compiled trees.
#include "acl/expand/arguments.h"
#include "acl/expand/node.h"
#include "acl/expand/trace.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"

#include <utility>

namespace godwit::acl {
namespace {

const AclValue* find_acl_variable(std::string_view name, const EvalContext& context) {
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
    context.tainted |= context.acl_args_tainted;
    return EvalStatus::ok;
  }
  if (name.starts_with("r_")) {
    if (context.address == nullptr) return EvalStatus::ok;
    const auto found = context.address->variables.find(name);
    if (found == context.address->variables.end()) return EvalStatus::ok;
    context.tainted = context.tainted || found->second.tainted;
    out += found->second.text;
    return EvalStatus::ok;
  }
  if (const AclValue* value = find_acl_variable(name, context)) {
    out += value->text;
    context.tainted |= value->tainted;
    return EvalStatus::ok;
  }
  if (context.server == nullptr || !context.server->strict_acl_vars) return EvalStatus::ok;
  return fail(context,
              "unknown variable name \"" + std::string(name) + "\" (strict_acl_vars is set)");
}

void show_result(Trace& trace, std::string_view source, const EvalResult& result) {
  TraceEvent event{TraceKind::expansion, {}, source, result.text, {}};
  if (result.status == EvalStatus::forced_fail) event.name = "forced failure";
  if (result.status == EvalStatus::failed) event.name = "failed";
  if (result.status == EvalStatus::deferred) event.name = "deferred";
  trace.event(event);
}

}  // namespace

bool is_tainted(Taint taint, const EvalContext& context) noexcept {
  switch (taint) {
    case Taint::clean:
      return false;
    case Taint::outside:
      return true;
    case Taint::of_value:
      return context.value_tainted;
    case Taint::of_item:
      return context.item_tainted;
    case Taint::of_args:
      return context.acl_args_tainted;
  }
  return true;
}

EvalStatus fail(EvalContext& context, std::string message) {
  context.error = std::move(message);
  return EvalStatus::failed;
}

EvalStatus defer(EvalContext& context, std::string message) {
  context.error = std::move(message);
  return EvalStatus::deferred;
}

EvalStatus append_variable(const VariableRow* row, std::string_view name, EvalContext& context,
                           std::string& out) {
  if (row == nullptr) return append_pattern_variable(name, context, out);
  const size_t before = out.size();
  if (row->source.text != nullptr) {
    if (const std::string* text = row->source.text(context)) out += *text;
  } else if (row->source.append != nullptr) {
    row->source.append(context, out);
  }
  if (out.size() > before && is_tainted(row->taint, context)) context.tainted = true;
  return EvalStatus::ok;
}

EvalStatus run_sequence(const Sequence& sequence, EvalContext& context, std::string& out) {
  const DepthGuard guard(context);
  if (guard.too_deep()) return fail(context, "the expansion is nested too deeply");
  for (const Node& node : sequence) {
    // What most nodes are, without a call.
    if (node.run == run_literal) {
      out += node.text;
      continue;
    }
    const EvalStatus status = node.run(node, context, out);
    if (status != EvalStatus::ok) return status;
    if (out.size() > kExpansionBytesMax) return fail(context, "the expansion is too long");
  }
  return EvalStatus::ok;
}

EvalStatus run_condition(const ConditionNode& node, EvalContext& context, bool& answer) {
  const DepthGuard guard(context);
  if (guard.too_deep()) return fail(context, "the condition is nested too deeply");
  // What a condition looked at does not taint the branch that it chooses.
  const bool before = context.tainted;
  const EvalStatus status = node.run(node, context, answer);
  context.tainted = before;
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
  EvalResult result;
  evaluate(context, result);
  return result;
}

// Items put back what they set, so that nothing has to be kept here.
void Expansion::evaluate(EvalContext& context, EvalResult& result) const {
  result.status = EvalStatus::ok;
  result.tainted = false;
  if (is_constant()) {
    result.text = constant();
    return;
  }
  result.text.clear();
  const bool before = std::exchange(context.tainted, false);
  context.error.clear();
  tell(context.trace, {TraceKind::expansion_begin, {}, program_->source, {}, {}});
  result.status = run_sequence(program_->nodes, context, result.text);
  result.tainted = std::exchange(context.tainted, before);
  if (!result.ok()) result.text = std::exchange(context.error, {});
  if (context.trace != nullptr) show_result(*context.trace, program_->source, result);
}

void show_debug_print(Trace& trace, std::string_view name, const Expansion& text,
                      EvalContext& context) {
  const EvalResult value = text.evaluate(context);
  const std::string shown = value.ok() ? value.text
                                       : "failed to expand debug_output \"" +
                                             std::string(text.source()) + "\": " + value.text;
  trace.event({TraceKind::debug_print, name, trim_right(shown), {}, {}});
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
  text = trim(text);
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text != "0" && !equals_ignore_case(text, "no") &&
         !equals_ignore_case(text, "false");
}

}  // namespace godwit::acl
