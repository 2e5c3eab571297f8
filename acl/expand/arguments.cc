#include "acl/expand/arguments.h"

#include "acl/expand/services.h"
#include "acl/expand/variables.h"

#include <utility>

namespace godwit::acl {

namespace {

// True where nothing is evaluated to get its text: reading it changes no $value and no $item.
bool is_shown(const Sequence& sequence) {
  if (sequence.empty()) return true;
  if (sequence.size() > 1) return false;
  const Node& node = sequence.front();
  return node.run == run_literal ||
         (node.variable != nullptr && node.variable->source.text != nullptr);
}

}  // namespace

// False where the text has to be made.
bool Argument::show(const Sequence& sequence, EvalContext& context, bool moving_too) {
  if (!is_shown(sequence)) return false;
  if (sequence.empty()) return true;
  const Node& node = sequence.front();
  if (node.variable == nullptr) {
    text_ = node.text;
    return true;
  }
  const VariableRow& row = *node.variable;
  if (!moving_too && (row.taint == Taint::of_value || row.taint == Taint::of_item)) return false;
  if (const std::string* text = row.source.text(context)) text_ = *text;
  made_.tainted = !text_.empty() && is_tainted(row.taint, context);
  return true;
}

EvalStatus Argument::peek(const Sequence& sequence, EvalContext& context) {
  return show(sequence, context, true) ? EvalStatus::ok : read(sequence, context);
}

EvalStatus Argument::read(const Sequence& sequence, EvalContext& context) {
  if (show(sequence, context, false)) return EvalStatus::ok;
  const EvalStatus status = read_value(sequence, context, made_);
  text_ = made_.text;
  return status;
}

EvalStatus read_pair(const std::vector<Sequence>& sequences, EvalContext& context,
                     std::array<Argument, 2>& pair) {
  // The second must not move what the first shows.
  const EvalStatus status = is_shown(sequences[1]) ? pair[0].peek(sequences[0], context)
                                                   : pair[0].read(sequences[0], context);
  return status == EvalStatus::ok ? pair[1].peek(sequences[1], context) : status;
}

EvalStatus read_value(const Sequence& sequence, EvalContext& context, Value& value) {
  const bool before = std::exchange(context.tainted, false);
  const EvalStatus status = run_sequence(sequence, context, value.text);
  value.tainted = std::exchange(context.tainted, before);
  return status;
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
  context_.captures = std::move(captures_);
  context_.value = std::move(value_);
  context_.item = std::move(item_);
  context_.captures_tainted = captures_tainted_;
  context_.value_tainted = value_tainted_;
  context_.item_tainted = item_tainted_;
}

EvalStatus finish_tail(const Node& node, EvalContext& context, bool yes, Value value,
                       std::string& out) {
  if (yes && node.tail.empty()) {
    out += value.text;
    context.tainted |= value.tainted;
    return EvalStatus::ok;
  }
  if (yes) {
    const ValueGuard guard(context);
    set_value(context, std::move(value.text), value.tainted);
    return run_sequence(node.tail[0], context, out);
  }
  if (node.tail.size() > 1) return run_sequence(node.tail[1], context, out);
  if (!node.tail_fails) return EvalStatus::ok;
  context.error = "\"" + node.text + "\" failed and \"fail\" requested";
  return EvalStatus::forced_fail;
}

const Regex* regex_for(const ItemData* data, std::string_view pattern, Result<Regex>& made) {
  if (data != nullptr) return &static_cast<const RegexData*>(data)->regex;
  made = compile_regex(pattern);
  return made ? &*made : nullptr;
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

void set_value(EvalContext& context, std::string text, bool tainted) {
  context.value = std::move(text);
  context.value_tainted = tainted;
}

}  // namespace godwit::acl
