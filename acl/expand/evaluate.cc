// Evaluation of compiled trees.
#include "acl/expand/node.h"
#include "acl/expand/trace.h"
#include "core/base/ascii.h"

#include <utility>

namespace godwit::acl {
namespace {

// `text`: the value, or why there is none.
void show_result(Trace& trace, std::string_view source, EvalStatus status, std::string_view text) {
  TraceEvent event{TraceKind::expansion, {}, source, text, {}};
  if (status == EvalStatus::forced_fail) event.name = "forced failure";
  if (status == EvalStatus::failed) event.name = "failed";
  if (status == EvalStatus::deferred) event.name = "deferred";
  trace.event(event);
}

}  // namespace

EvalStatus fail(EvalContext& context, std::string message) {
  context.error = std::move(message);
  return EvalStatus::failed;
}

EvalStatus defer(EvalContext& context, std::string message) {
  context.error = std::move(message);
  return EvalStatus::deferred;
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
  const bool before = std::exchange(context.tainted, false);
  result.status = append(context, result.text);
  result.tainted = std::exchange(context.tainted, before);
  if (!result.ok()) result.text = std::exchange(context.error, {});
  return result;
}

// Items put back what they set, so that nothing has to be kept here.
EvalStatus Expansion::append(EvalContext& context, std::string& out) const {
  if (is_constant()) {
    out += constant();
    return EvalStatus::ok;
  }
  const size_t begin = out.size();
  context.error.clear();
  Trace* const trace = context.trace;
  if (trace != nullptr) {
    trace->event({TraceKind::expansion_begin, {}, program_->source, {}, {}});
  }
  const EvalStatus status = run_sequence(program_->nodes, context, out);
  if (status != EvalStatus::ok) out.resize(begin);
  if (trace != nullptr) {
    const std::string_view value = std::string_view(out).substr(begin);
    show_result(*trace, program_->source, status, status == EvalStatus::ok ? value : context.error);
  }
  return status;
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
