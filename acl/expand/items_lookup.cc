// ${lookup{key} type{file}{yes}{no}} and ${lookup type{query}{yes}{no}}
#include "acl/expand/arguments.h"
#include "acl/expand/items.h"
#include "acl/expand/parser.h"
#include "acl/expand/services.h"
#include "acl/expand/traced_lookup.h"
#include "acl/lookup/lookup.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"

namespace godwit::acl {
namespace {

struct LookupData final : ItemData {
  LookupSpec spec;
};

std::string_view type_text(Parser& parser) {
  const size_t begin = parser.offset();
  while (!parser.at_end() && parser.here() != '{' && parser.here() != '}' &&
         !is_space(parser.here())) {
    parser.advance(1);
  }
  return parser.text().substr(begin, parser.offset() - begin);
}

}  // namespace

// parts: key or query; file.
bool parse_lookup(Parser& parser, Node& node) {
  parser.skip_space();
  const bool has_key = parser.here() == '{';
  if (has_key && !parser.argument(node.parts.emplace_back(), "a key")) return false;
  parser.skip_space();
  const size_t begin = parser.offset();
  const std::string_view type = type_text(parser);
  if (type.empty()) return parser.problem(begin, "a lookup type is expected here");
  LookupProblem problem;
  auto data = std::make_shared<LookupData>();
  std::optional<LookupSpec> spec = parse_lookup_type(type, problem);
  if (!spec && !problem.unavailable) return parser.problem(begin, problem.message, problem.hint);
  if (!spec && !parser.options().tolerate_unavailable)
    parser.diagnostics().warning(parser.place(begin), problem.message + ": it is deferred");
  if (spec && spec->query_style == has_key) {
    return parser.problem(begin, has_key
                                     ? "a single key was given for lookup type " + quoted(type) +
                                           ", which is not a single-key lookup type"
                                     : "missing {key} for single-key " + quoted(type) + " lookup");
  }
  parser.skip_space();
  const size_t what = parser.offset();
  if (!parser.argument(node.parts.emplace_back(), "the file or query of the lookup")) return false;
  if (has_key) parser.check_taint(node.parts[1], "as the file of a lookup", what);
  if (spec) {
    data->spec = std::move(*spec);
    node.data = std::move(data);
  }
  return parser.tail(node);
}

EvalStatus run_lookup(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  if (node.data == nullptr) return defer(context, "lookup of a type that is not built in");
  Lookups* lookups = context.services == nullptr ? nullptr : context.services->lookups;
  if (lookups == nullptr) return defer(context, "lookups cannot be asked here");
  const LookupSpec& spec = static_cast<const LookupData&>(*node.data).spec;
  const bool has_file = !spec.query_style;
  if (has_file && args[1].tainted) {
    return fail(context, "Tainted filename for search: '" + args[1].text + "'");
  }
  const std::string_view file = has_file ? std::string_view(args[1].text) : std::string_view();
  const LookupQuestion question{spec, file, args[0].text};
  const Result<std::optional<LookupAnswer>> answer = find_traced(question, context);
  if (!answer) {
    const std::string why = answer.error().detail();
    if (!answer.error().is_temporary()) return fail(context, why);
    // What cannot be opened was not looked into.
    const bool is_open = !why.starts_with("failed to open ");
    return defer(context, (is_open ? "lookup of \"" + args[0].text + "\" gave DEFER: " : "") + why);
  }
  const StateGuard guard(context);
  if (!*answer) return finish_tail(node, context, false, {}, false, out);
  if (!(*answer)->captures.empty()) {
    context.captures.assign(args[0].text);
    for (const std::string& part : (*answer)->captures) context.captures.add(part);
    context.captures_tainted = args[0].tainted;
  }
  return finish_tail(node, context, true, (*answer)->value, false, out);
}

}  // namespace godwit::acl
