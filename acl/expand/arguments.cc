#include "acl/expand/arguments.h"

#include "acl/expand/services.h"
#include "acl/expand/variables.h"

#include <utility>

namespace godwit::acl {

bool Argument::show_variable(const Node& node, EvalContext& context) {
  if (node.run == run_text_variable) {
    const VariableRow& row = *node.variable;
    text_ = row.source.text(context);
    tainted_ = !text_.empty() && is_tainted(row.taint, context);
    moves_ = row.source.moves;
    return true;
  }
  moves_ = true;
  if (node.run == run_capture) {
    if (node.number_count < context.captures.size()) text_ = context.captures[node.number_count];
    tainted_ = !text_.empty() && context.captures_tainted;
    return true;
  }
  if (node.run != run_set_variable) return false;
  const AclValue* value = find_set_variable(node.text, context);
  if (value == nullptr) return false;
  text_ = value->text;
  tainted_ = value->tainted;
  return true;
}

EvalStatus Argument::make(const Sequence& sequence, EvalContext& context) {
  std::string& text = made_.text();
  const EvalStatus status = read_text(sequence, context, text, tainted_);
  text_ = text;
  return status;
}

void Argument::keep() {
  if (!moves_ || text_.empty()) return;
  made_.text() = text_;
  text_ = made_.text();
}

EvalStatus Argument::read(const Sequence& sequence, EvalContext& context) {
  if (!show(sequence, context)) return make(sequence, context);
  keep();
  return EvalStatus::ok;
}

EvalStatus read_pair(const std::vector<Sequence>& sequences, EvalContext& context,
                     std::array<Argument, 2>& pair) {
  if (!pair[0].show(sequences[0], context)) {
    const EvalStatus status = pair[0].make(sequences[0], context);
    return status == EvalStatus::ok ? pair[1].peek(sequences[1], context) : status;
  }
  if (pair[1].show(sequences[1], context)) return EvalStatus::ok;
  pair[0].keep();
  return pair[1].make(sequences[1], context);
}

EvalStatus read_text(const Sequence& sequence, EvalContext& context, std::string& text,
                     bool& tainted) {
  const bool before = std::exchange(context.tainted, false);
  const EvalStatus status = run_sequence(sequence, context, text);
  tainted = std::exchange(context.tainted, before);
  return status;
}

EvalStatus read_value(const Sequence& sequence, EvalContext& context, Value& value) {
  return read_text(sequence, context, value.text, value.tainted);
}

EvalStatus read_values(const std::vector<Sequence>& sequences, EvalContext& context,
                       std::vector<Value>& values) {
  values.resize(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    const EvalStatus status = read_value(sequences[i], context, values[i]);
    if (status != EvalStatus::ok) return status;
  }
  return EvalStatus::ok;
}

StateGuard::StateGuard(EvalContext& context)
    : context_(context),
      captures_(context.captures),
      value_(context.value),
      item_(context.item),
      captures_tainted_(context.captures_tainted),
      value_tainted_(context.value_tainted),
      item_tainted_(context.item_tainted) {}

StateGuard::~StateGuard() {
  // Where there was nothing, what comes next finds its memory again.
  context_.captures.clear();
  if (!captures_.empty()) context_.captures.swap(captures_);
  context_.value.clear();
  if (!value_.empty()) context_.value.swap(value_);
  context_.item = item_;
  context_.captures_tainted = captures_tainted_;
  context_.value_tainted = value_tainted_;
  context_.item_tainted = item_tainted_;
}

EvalStatus finish_tail(const Node& node, EvalContext& context, bool yes, std::string_view value,
                       bool tainted, std::string& out) {
  if (yes && node.tail.empty()) {
    out += value;
    context.tainted |= tainted;
    return EvalStatus::ok;
  }
  if (yes) {
    const ValueGuard guard(context);
    set_value(context, value, tainted);
    return run_sequence(node.tail[0], context, out);
  }
  if (node.tail.size() > 1) return run_sequence(node.tail[1], context, out);
  if (!node.tail_fails) return EvalStatus::ok;
  context.error = "\"" + node.text + "\" failed and \"fail\" requested";
  return EvalStatus::forced_fail;
}

Result<Regex> compile_regex(std::string_view pattern) {
  Result<Regex> regex = Regex::compile(pattern, false);
  if (regex) return regex;
  return Error(Errc::config, "regular expression error in \"" + std::string(pattern) +
                                 "\": " + regex.error().detail());
}

CompileOptions run_time_options(const EvalContext& context) {
  CompileOptions options;
  if (context.services != nullptr) options.lists = context.services->lists;
  return options;
}

void set_value(EvalContext& context, std::string_view text, bool tainted) {
  context.value.assign(text);
  context.value_tainted = tainted;
}

}  // namespace godwit::acl
