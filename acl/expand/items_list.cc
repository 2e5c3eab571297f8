// `if`, and items that walk lists.
#include "acl/expand/arguments.h"
#include "acl/expand/items.h"
#include "acl/expand/list_text.h"
#include "acl/expand/parser.h"
#include "core/base/ascii.h"

#include <array>
#include <optional>
#include <utility>

namespace godwit::acl {

// ${if condition {yes}{no}}
bool parse_if(Parser& parser, Node& node) {
  return parser.condition(node.conditions.emplace_back()) && parser.tail(node);
}

namespace {

EvalStatus run_branch(const Node& node, EvalContext& context, std::string& out) {
  bool answer = false;
  const EvalStatus status = run_condition(node.conditions[0], context, answer);
  if (status != EvalStatus::ok) return status;
  if (node.tail.empty()) {
    if (answer) out += "true";
    return EvalStatus::ok;
  }
  if (answer) return run_sequence(node.tail[0], context, out);
  if (node.tail.size() > 1) return run_sequence(node.tail[1], context, out);
  if (!node.tail_fails) return EvalStatus::ok;
  context.error = "\"if\" failed and \"fail\" requested";
  return EvalStatus::forced_fail;
}

}  // namespace

// $value and $1 that the condition set hold inside the branches.
EvalStatus run_if(const Node& node, EvalContext& context, std::string& out) {
  if (!node.conditions[0].sets) return run_branch(node, context, out);
  const StateGuard guard(context);
  return run_branch(node, context, out);
}

// {list}{condition}
bool parse_filter(Parser& parser, Node& node) {
  if (!parser.argument(node.parts.emplace_back(), "a list")) return false;
  return parser.braced_condition(node.conditions.emplace_back());
}

EvalStatus run_filter(const Node& node, EvalContext& context, std::string& out) {
  Argument list;
  EvalStatus status = list.read(node.parts[0], context);
  if (status != EvalStatus::ok) return status;
  const ItemGuard guard(context, list.tainted());
  std::optional<StateGuard> state;
  if (node.conditions[0].sets) state.emplace(context);
  ListReader reader(node.parts[0], list.text());
  ListWriter writer(out, reader.separator());
  while (reader.next(context.item)) {
    bool answer = false;
    status = run_condition(node.conditions[0], context, answer);
    if (status != EvalStatus::ok) return status;
    if (answer) writer.add(context.item);
  }
  if (!writer.is_empty()) context.tainted |= list.tainted();
  return EvalStatus::ok;
}

EvalStatus run_map(const Node& node, EvalContext& context, std::string& out) {
  Argument list;
  EvalStatus status = list.read(node.parts[0], context);
  if (status != EvalStatus::ok) return status;
  const ItemGuard guard(context, list.tainted());
  ListReader reader(node.parts[0], list.text());
  ListWriter writer(out, reader.separator());
  while (reader.next(context.item)) {
    writer.begin_item();
    status = run_sequence(node.parts[1], context, out);
    if (status != EvalStatus::ok) return status;
    writer.end_item();
    if (out.size() > kExpansionBytesMax) return fail(context, "the expansion is too long");
  }
  return EvalStatus::ok;
}

// ${reduce{list}{start}{expression}}: $value is what came out so far.
EvalStatus run_reduce(const Node& node, EvalContext& context, std::string& out) {
  Argument list;
  EvalStatus status = list.read(node.parts[0], context);
  if (status != EvalStatus::ok) return status;
  Scratch made;
  std::string& next = made.text();
  bool tainted = false;
  status = read_text(node.parts[1], context, next, tainted);
  if (status != EvalStatus::ok) return status;
  const ItemGuard item_guard(context, list.tainted());
  const ValueGuard value_guard(context);
  ListReader reader(node.parts[0], list.text());
  for (bool more = true; more;) {
    context.value.swap(next);
    context.value_tainted = tainted;
    next.clear();
    more = reader.next(context.item);
    if (more) status = read_text(node.parts[2], context, next, tainted);
    if (status != EvalStatus::ok) return status;
  }
  out += context.value;
  context.tainted |= context.value_tainted;
  return EvalStatus::ok;
}

// ${listextract{number}{list}{yes}{no}}: a negative number counts from the end.
EvalStatus run_listextract(const Node& node, EvalContext& context, std::string& out) {
  std::array<Argument, 2> args;
  for (size_t i = 0; i < args.size(); ++i) {
    const EvalStatus status = args[i].read(node.parts[i], context);
    if (status != EvalStatus::ok) return status;
  }
  std::string_view digits = trim(args[0].text());
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  const std::optional<uint64_t> number = parse_decimal(digits);
  if (!number) return fail(context, "first argument of \"listextract\" must be numeric");
  size_t wanted = static_cast<size_t>(*number);
  std::string_view found;
  if (negative) {
    ListReader counter(args[1].text());
    size_t count = 0;
    while (counter.next(found)) ++count;
    wanted = wanted > count ? 0 : count + 1 - wanted;
  }
  ListReader reader(args[1].text());
  size_t at = 0;
  while (at < wanted && reader.next(found)) ++at;
  const bool yes = wanted > 0 && at == wanted;
  if (!yes) found = {};
  return finish_tail(node, context, yes, found, args[1].tainted(), out);
}

}  // namespace godwit::acl
