// Conditions of `if`, `filter`, forany and forall.
#include "acl/expand/parser.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/rows.h"

namespace godwit::acl {
namespace {

void carry_properties(ConditionNode& node) {
  for (const Sequence& sequence : node.args) {
    for (const Node& child : sequence) node.suspends |= child.suspends;
  }
  for (const ConditionNode& child : node.children) {
    node.suspends |= child.suspends;
    node.sets |= child.sets;
  }
}

}  // namespace

bool Parser::braced_condition(ConditionNode& node) {
  skip_space();
  const size_t begin = i_;
  if (!accept('{')) return problem(begin, "{ is expected here, before a condition");
  if (!condition(node)) return false;
  skip_space();
  return close(begin);
}

bool Parser::condition(ConditionNode& node) {
  if (depth_ >= kCompileDepthMax) return problem(i_, "conditions are nested too deeply");
  skip_space();
  while (accept('!')) {
    node.negated = !node.negated;
    skip_space();
  }
  const size_t begin = i_;
  const std::string_view name = condition_name();
  const ConditionRow* row = config::find_row(condition_rows(), name);
  if (row == nullptr) {
    if (name.empty())
      return problem(begin,
                     "condition name expected, but found " + quoted(text_.substr(begin, 16)));
    const std::string hint = name == "ne" ? "write !eq" : config::hint_from(condition_rows(), name);
    return problem(begin, "unknown condition " + quoted(name), hint);
  }
  node.run = row->run;
  node.row = row;
  node.form = row->form;
  if (row->run == nullptr) return unavailable_condition(node, *row, begin);
  ++depth_;
  bool good = false;
  switch (row->shape) {
    case ConditionShape::strings:
      good = condition_strings(node, *row);
      break;
    case ConditionShape::braced_strings:
      good = condition_braced_strings(node, *row);
      break;
    case ConditionShape::list:
      good = condition_list(node, *row);
      break;
    case ConditionShape::each:
      good = condition_each(node, *row);
      break;
    case ConditionShape::variable:
      good = condition_variable(node);
      break;
    case ConditionShape::condition:
      good = condition_children(node);
      break;
  }
  --depth_;
  node.suspends |= row->suspends;
  node.sets = row->sets;
  carry_properties(node);
  return good && (row->check == nullptr || row->check(*this, node, begin));
}

std::string_view Parser::condition_name() {
  if (is_alpha(here())) return read_name();
  const size_t begin = i_;
  while (here() == '<' || here() == '>' || here() == '=') ++i_;
  return text_.substr(begin, i_ - begin);
}

bool Parser::unavailable_condition(ConditionNode& node, const ConditionRow& row, size_t begin) {
  node.text = "the condition " + quoted(row.name);
  if (!options_.tolerate_unavailable) return problem(begin, node.text + " is not available");
  node.run = run_unavailable_condition;
  for (uint8_t n = 0; n < row.args; ++n) {
    skip_space();
    if (accept('{') && !skip_braces(begin)) return false;
  }
  return true;
}

bool Parser::condition_strings(ConditionNode& node, const ConditionRow& row) {
  node.args.resize(row.args);
  for (Sequence& arg : node.args) {
    if (!argument(arg, "a text for the condition", row.name)) return false;
  }
  return true;
}

// {{a}{b}...}, up to the row's number of arguments.
bool Parser::condition_braced_strings(ConditionNode& node, const ConditionRow& row) {
  skip_space();
  const size_t begin = i_;
  if (!accept('{')) {
    return problem(begin, "{ is expected here, before the arguments of " + quoted(row.name));
  }
  for (skip_space(); here() == '{'; skip_space()) {
    if (node.args.size() == row.args) {
      return problem(i_, "too many arguments for the condition " + quoted(row.name));
    }
    if (!argument(node.args.emplace_back(), "an argument")) return false;
  }
  if (node.args.empty()) {
    return problem(i_, "the condition " + quoted(row.name) + " needs an argument in braces");
  }
  return close(begin);
}

bool Parser::condition_list(ConditionNode& node, const ConditionRow& row) {
  node.args.resize(1);
  if (!argument(node.args[0], "a text for the condition", row.name)) return false;
  skip_space();
  const size_t begin = i_;
  if (!accept('{')) return problem(begin, "{ and a list are expected here");
  config::LocatedText list;
  if (!literal_text(list) || !close(begin)) return false;
  if (options_.lists == nullptr) return problem(begin, "lists cannot be matched here");
  const size_t errors = diagnostics_.error_count();
  node.list = options_.lists->compile(static_cast<ListKind>(row.form), list,
                                      {false, options_.tolerate_unavailable}, diagnostics_);
  node.suspends = node.list != nullptr && node.list->can_suspend();
  return diagnostics_.error_count() == errors;
}

// To the closing brace: escapes mean what they mean elsewhere, dollar signs nothing.
bool Parser::literal_text(config::LocatedText& out) {
  while (!at_end() && here() != '}') {
    const size_t begin = i_;
    if (here() != '\\') {
      while (!at_end() && here() != '}' && here() != '\\') ++i_;
      out.append(located_.substr(begin, i_ - begin));
      continue;
    }
    std::string meant;
    if (!escape(meant)) return false;
    out.append(meant, located_.at(begin));
  }
  return true;
}

// {list}{condition}
bool Parser::condition_each(ConditionNode& node, const ConditionRow& row) {
  node.args.resize(1);
  if (!argument(node.args[0], "a list for the condition", row.name)) return false;
  return braced_condition(node.children.emplace_back());
}

bool Parser::condition_variable(ConditionNode& node) {
  if (!accept(':')) {
    return problem(i_, ": and the name of a variable are expected after \"def\"");
  }
  const size_t begin = i_;
  const std::string_view name = read_name();
  Node& subject = node.args.emplace_back().emplace_back();
  if (is_header_name(name)) return header(subject, begin);
  subject.variable = find_variable(name);
  subject.run = variable_run(subject.variable);
  subject.text = std::string(name);
  if (subject.variable != nullptr || is_pattern_variable(name)) return true;
  return problem(begin, "unknown variable " + quoted(name) + " after \"def:\"",
                 config::did_you_mean(name, variable_names()));
}

// {{condition}{condition}...}
bool Parser::condition_children(ConditionNode& node) {
  skip_space();
  const size_t begin = i_;
  if (!accept('{')) return problem(begin, "{ is expected here, before the conditions");
  for (skip_space(); here() == '{'; skip_space()) {
    if (!braced_condition(node.children.emplace_back())) return false;
  }
  return close(begin);
}

}  // namespace godwit::acl
