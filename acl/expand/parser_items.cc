// Operators, items, their arguments and tails.
#include "acl/expand/parser.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/rows.h"

#include <algorithm>

namespace godwit::acl {
namespace {

// Numbers are signed: substr_-3_2.
bool add_number(Node& node, std::string_view digits, size_t numbers_max) {
  const bool signed_here = numbers_max == 2 && node.number_count == 0;
  const bool negative = signed_here && digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  const auto value = parse_decimal(digits);
  if (!value || *value > kExpansionBytesMax || node.number_count >= numbers_max) return false;
  const auto number = static_cast<int64_t>(*value);
  node.numbers[node.number_count++] = negative ? -number : number;
  return true;
}

void carry_suspends(Node& node) {
  const auto carry = [&](const std::vector<Sequence>& sequences) {
    for (const Sequence& sequence : sequences) {
      for (const Node& child : sequence) node.suspends |= child.suspends;
    }
  };
  carry(node.parts);
  carry(node.tail);
  for (const ConditionNode& condition : node.conditions) node.suspends |= condition.suspends;
}

}  // namespace

bool Parser::operation(Node& node, std::string_view name, size_t begin, size_t inside) {
  node.op = config::find_row(operator_rows(), name);
  if (node.op == nullptr && !operator_with_numbers(node, name, inside)) return false;
  if (node.number_count < node.op->numbers_min) {
    const std::string op(node.op->name);
    return problem(inside, quoted(op) + " needs a number: " + op + "_3");
  }
  return operand(node, begin, inside);
}

bool Parser::operand(Node& node, size_t begin, size_t inside) {
  if (node.text.empty()) node.text = std::string(node.op->name);
  node.run = run_operator;
  node.parts.emplace_back();
  if (!nested(node.parts[0]) || !close(begin)) return false;
  node.suspends = node.op->suspends;
  carry_suspends(node);
  if (node.op->check != nullptr && !node.op->check(*this, node)) return false;
  if (node.op->run != nullptr) return true;
  return unavailable(node, "the operator " + quoted(node.op->name), inside);
}

// name_1_2, or quote_<lookup>, or listnamed_d.
bool Parser::operator_with_numbers(Node& node, std::string_view name, size_t inside) {
  const size_t underscore = std::min(name.find('_'), name.size());
  const std::string_view base = name.substr(0, underscore);
  node.op = config::find_row(operator_rows(), base);
  if (node.op == nullptr) {
    return problem(inside, "unknown expansion operator " + quoted(name),
                   config::hint_from(operator_rows(), name));
  }
  std::string_view rest = name.substr(underscore);
  if (node.op->word != nullptr) {
    node.text = std::string(rest.substr(1));
    std::string why;
    if (node.op->word(node, why)) return true;
    return problem(inside, why);
  }
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const size_t length = std::min(rest.find('_'), rest.size());
    if (!add_number(node, rest.substr(0, length), node.op->numbers_max)) {
      if (node.op->numbers_max == 0) {
        return problem(inside, "unknown expansion operator " + quoted(name),
                       config::hint_from(operator_rows(), name));
      }
      return problem(inside, "non-digit after underscore in " + quoted(name));
    }
    rest.remove_prefix(length);
  }
  return true;
}

bool Parser::item(Node& node, std::string_view name, size_t begin, size_t inside) {
  // substr_-3:text has a sign, which is no part of a name.
  if (here() == '-' && name.ends_with('_')) {
    const size_t colon = text_.find_first_of(":{}", i_);
    if (colon != std::string_view::npos && text_[colon] == ':') {
      i_ = colon + 1;
      return operation(node, text_.substr(inside, colon - inside), begin, inside);
    }
  }
  node.item = config::find_row(item_rows(), name);
  if (node.item == nullptr) {
    const bool item_like = !at_end() && (here() == '{' || is_space(here()));
    return problem(inside,
                   item_like ? "unknown expansion item " + quoted(name)
                             : "} is missing after the name " + quoted(name),
                   config::hint_from(item_rows(), name));
  }
  const ItemRow& row = *node.item;
  if (row.run == nullptr) {
    return unavailable(node, "the expansion item " + quoted(name), inside) && skip_braces(begin);
  }
  node.run = row.run;
  node.text = std::string(name);
  if (depth_ >= kCompileDepthMax) return problem(i_, "braces are nested too deeply");
  ++depth_;
  const bool good = row.parse != nullptr ? row.parse(*this, node) : arguments(node);
  --depth_;
  if (!good) return false;
  skip_space();
  if (!close(begin)) return false;
  node.suspends |= row.suspends;
  carry_suspends(node);
  return row.check == nullptr || row.check(*this, node);
}

bool Parser::arguments(Node& node) {
  const ItemRow& row = *node.item;
  node.parts.reserve(row.args_min);
  for (size_t n = 0; n < row.args_max; ++n) {
    skip_space();
    if (here() != '{' && n >= row.args_min) break;
    if (here() != '{') {
      return problem(i_, "Not enough arguments for '" + std::string(row.name) + "' (min is " +
                             std::to_string(row.args_min) + ")");
    }
    node.parts.emplace_back();
    if (!argument(node.parts.back(), "an argument")) return false;
  }
  skip_space();
  if (row.tail == ItemTail::yes_no) return tail(node);
  if (here() != '{') return true;
  return problem(i_, "Too many arguments for '" + std::string(row.name) + "' (max is " +
                         std::to_string(row.args_max) + ")");
}

bool Parser::argument(Sequence& out, std::string_view what, std::string_view name) {
  skip_space();
  const size_t begin = i_;
  if (accept('{')) return argument_rest(out, begin);
  return problem(begin, "{ is expected here, before " + std::string(what) +
                            (name.empty() ? std::string() : " " + quoted(name)));
}

bool Parser::argument_rest(Sequence& out, size_t opened_at) {
  return nested(out) && close(opened_at);
}

// {yes}{no}, {yes}, {yes}fail, fail, or nothing.
bool Parser::tail(Node& node) {
  for (size_t n = 0; n < 2; ++n) {
    skip_space();
    if (here() != '{') break;
    node.tail.emplace_back();
    if (!argument(node.tail.back(), "a branch")) return false;
  }
  skip_space();
  if (at_end() || here() == '}' || node.tail.size() == 2) return true;
  if (node.tail.size() == 1 && accept_word("fail")) {
    node.tail_fails = true;
    return true;
  }
  return problem(i_, node.tail.empty()
                         ? "{ or } is expected here"
                         : "syntax error in " + quoted(node.text) + " item - \"fail\" expected");
}

}  // namespace godwit::acl
