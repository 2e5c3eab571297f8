// Conditions that compare texts, numbers, truth values and addresses, and `match`.
#include "acl/expand/arguments.h"
#include "acl/expand/conditions.h"
#include "acl/expand/number_text.h"
#include "acl/expand/parser.h"
#include "core/base/ascii.h"
#include "core/base/ip_address.h"

#include <array>
#include <utility>

namespace godwit::acl {
namespace {

template <class T>
bool compare(uint8_t form, const T& a, const T& b) {
  switch (form) {
    case kLt:
      return a < b;
    case kLe:
      return a <= b;
    case kGt:
      return a > b;
    case kGe:
      return a >= b;
    default:
      return a == b;
  }
}

EvalStatus read_number(std::string_view text, EvalContext& context, int64_t& number) {
  if (read_plain_digits(text, number)) return EvalStatus::ok;
  NumberText read = read_number_text(text);
  if (!read.error.empty()) return fail(context, std::move(read.error));
  number = read.value;
  return EvalStatus::ok;
}

EvalStatus search(const Regex& regex, const Argument& subject, EvalContext& context, bool& answer) {
  const Result<bool> found = regex.search(subject.text(), &context.captures);
  if (!found) return fail(context, found.error().to_string());
  answer = *found;
  if (answer) context.captures_tainted = subject.tainted();
  return EvalStatus::ok;
}

}  // namespace

EvalStatus run_compare_text(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::array<Argument, 2> args;
  const EvalStatus status = read_pair(node.args, context, args);
  if (status != EvalStatus::ok) return status;
  const uint8_t form = node.form & 0x0f;
  if ((node.form & kIgnoreCase) == 0) {
    answer = compare(form, args[0].text(), args[1].text());
  } else if (form == kEq) {
    answer = equals_ignore_case(args[0].text(), args[1].text());
  } else {
    answer = compare(form, to_lower(args[0].text()), to_lower(args[1].text()));
  }
  return EvalStatus::ok;
}

EvalStatus run_compare_number(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::array<Argument, 2> args;
  const EvalStatus status = read_pair(node.args, context, args);
  if (status != EvalStatus::ok) return status;
  std::array<int64_t, 2> numbers;
  for (size_t i = 0; i < 2; ++i) {
    const EvalStatus read = read_number(args[i].text(), context, numbers[i]);
    if (read != EvalStatus::ok) return read;
  }
  answer = compare(node.form, numbers[0], numbers[1]);
  return EvalStatus::ok;
}

EvalStatus run_compare_constant(const ConditionNode& node, EvalContext& context, bool& answer) {
  Argument value;
  EvalStatus status = value.peek(node.args[0], context);
  int64_t number = 0;
  if (status == EvalStatus::ok) status = read_number(value.text(), context, number);
  answer = compare(node.form, number, node.number);
  return status;
}

// A bound that is constant is read once. One that is no number fails when it is needed.
bool check_compare_number(Parser&, ConditionNode& node, size_t) {
  std::string bound;
  if (node.args.size() < 2 || !is_literal(node.args[1], &bound)) return true;
  const std::optional<int64_t> number = expression_number(bound);
  if (!number) return true;
  node.number = *number;
  node.run = run_compare_constant;
  return true;
}

EvalStatus run_bool(const ConditionNode& node, EvalContext& context, bool& answer) {
  Argument value;
  const EvalStatus status = value.peek(node.args[0], context);
  if (status != EvalStatus::ok) return status;
  const std::string_view text = trim(value.text());
  const auto truth = truth_of(text);
  const bool lax = node.form != 0;
  if (!truth && !lax) {
    return fail(context, "unrecognised boolean value \"" + std::string(text) + "\"");
  }
  answer = lax ? lax_truth_of(text) : *truth;
  return EvalStatus::ok;
}

// form: 0 any, 4 or 6. An IPv6 address may have a zone.
EvalStatus run_isip(const ConditionNode& node, EvalContext& context, bool& answer) {
  Argument value;
  const EvalStatus status = value.peek(node.args[0], context);
  if (status != EvalStatus::ok) return status;
  std::string_view text = value.text();
  const size_t zone = text.find('%');
  const bool has_zone = zone != std::string_view::npos && text.find(':') < zone;
  if (has_zone) text = text.substr(0, zone);
  const Result<IpAddress> address = IpAddress::parse(text);
  answer = address.has_value() && (node.form == 0 || address->is_v6() == (node.form == 6));
  return EvalStatus::ok;
}

// match{subject}{regex}: sets $0 $1 ...
EvalStatus run_match(const ConditionNode& node, EvalContext& context, bool& answer) {
  Argument subject;
  EvalStatus status = subject.read(node.args[0], context);
  if (status != EvalStatus::ok) return status;
  if (node.data != nullptr) {
    return search(static_cast<const RegexData&>(*node.data).regex, subject, context, answer);
  }
  Argument pattern;
  status = pattern.peek(node.args[1], context);
  if (status != EvalStatus::ok) return status;
  const Result<Regex> made = compile_regex(pattern.text());
  if (!made) return fail(context, made.error().detail());
  return search(*made, subject, context, answer);
}

bool check_match(Parser& parser, ConditionNode& node, size_t begin) {
  std::string pattern;
  if (node.args.size() < 2 || !is_literal(node.args[1], &pattern)) return true;
  return parser.constant_regex(pattern, begin, node.data);
}

}  // namespace godwit::acl
