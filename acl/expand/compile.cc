// The compiler: text in, tree out. One pass, one function a form of the grammar (EXIM.md 3.1).
// The first problem of a string ends its compilation.
#include "acl/expand/conditions.h"
#include "acl/expand/node.h"
#include "acl/expand/operators.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/config/rows.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace godwit::acl {
namespace {

using config::Diagnostics;
using config::did_you_mean;
using config::find_row;
using config::hint_from;
using config::LocatedText;

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

class Compiler {
 public:
  Compiler(const LocatedText& text, const CompileOptions& options, Diagnostics& diagnostics)
      : located_(text), text_(text.view()), options_(options), diagnostics_(diagnostics) {}

  std::shared_ptr<const ExpansionProgram> run() {
    auto program = std::make_shared<ExpansionProgram>();
    program->source = located_.text();
    if (text_.size() > kExpansionSourceBytesMax) {
      problem(0, "the string is too long");
      return nullptr;
    }
    if (!sequence(program->nodes, false)) return nullptr;
    const bool only_literals =
        std::all_of(program->nodes.begin(), program->nodes.end(),
                    [](const Node& node) { return node.run == run_literal; });
    if (only_literals) {
      for (const Node& node : program->nodes) program->constant += node.text;
      program->nodes.clear();
    }
    return program;
  }

 private:
  bool problem(size_t offset, std::string message, std::string hint = {}) {
    diagnostics_.error(located_.at(offset), std::move(message), std::move(hint));
    return false;
  }
  bool at_end() const noexcept { return i_ >= text_.size(); }
  char here() const noexcept { return at_end() ? '\0' : text_[i_]; }
  bool accept(char c) {
    if (at_end() || text_[i_] != c) return false;
    ++i_;
    return true;
  }
  void skip_space() {
    while (!at_end() && is_space(text_[i_])) ++i_;
  }

  // Up to the end of the text or, in braces, to the closing one, which stays unread.
  bool sequence(Sequence& out, bool in_braces) {
    std::string literal;
    const auto flush = [&] {
      if (literal.empty()) return;
      Node node;
      node.run = run_literal;
      node.text = std::exchange(literal, {});
      out.push_back(std::move(node));
    };
    while (!at_end()) {
      const char c = here();
      if (in_braces && c == '}') break;
      if (c == '\\') {
        if (!escape(literal)) return false;
      } else if (c == '$') {
        flush();
        out.emplace_back();
        if (!dollar(out.back())) return false;
      } else {
        literal += c;
        ++i_;
      }
    }
    flush();
    return true;
  }

  bool escape(std::string& out) {
    const size_t begin = i_++;
    if (at_end()) return problem(begin, "\\ at end of string");
    const char c = here();
    if (c == 'N') return protected_text(out);
    if (c >= '0' && c <= '7') return numeric_escape(out, 8, 3);
    ++i_;
    if (c == 'x' && is_hex(here())) return numeric_escape(out, 16, 2);
    constexpr std::string_view kLetters = "bfnrtv";
    constexpr std::string_view kControls = "\b\f\n\r\t\v";
    const size_t known = kLetters.find(c);
    out += known == std::string_view::npos ? c : kControls[known];
    return true;
  }

  // \N ... \N: nothing inside is special.
  bool protected_text(std::string& out) {
    ++i_;
    const size_t end = text_.find("\\N", i_);
    out += text_.substr(i_, end == std::string_view::npos ? end : end - i_);
    i_ = end == std::string_view::npos ? text_.size() : end + 2;
    return true;
  }

  bool numeric_escape(std::string& out, unsigned base, size_t digits_max) {
    unsigned value = 0;
    for (size_t n = 0; n < digits_max && !at_end(); ++n, ++i_) {
      if (base == 8 ? here() < '0' || here() > '7' : !is_hex(here())) break;
      value = value * base + static_cast<unsigned>(hex_value(here()));
    }
    out += static_cast<char>(value & 0xff);
    return true;
  }

  std::string_view read_name() {
    const size_t begin = i_;
    while (!at_end() && (is_alnum(text_[i_]) || text_[i_] == '_')) ++i_;
    return text_.substr(begin, i_ - begin);
  }

  bool dollar(Node& node) {
    const size_t begin = i_++;
    if (is_digit(here())) return capture(node);
    if (is_alpha(here())) {
      const std::string_view name = read_name();
      if (is_header(name)) return header(node, begin);
      return variable(node, name, begin);
    }
    if (accept('{')) return braced(node, begin);
    return problem(begin, "$ is not followed by a letter, a digit or {",
                   "write \\$ for a dollar sign");
  }

  bool capture(Node& node) {
    size_t index = 0;
    for (; is_digit(here()); ++i_) {
      index = std::min<size_t>(index * 10 + static_cast<size_t>(here() - '0'), 1'000'000);
    }
    node.run = run_capture;
    node.number_count = index;
    return true;
  }

  bool variable(Node& node, std::string_view name, size_t begin) {
    node.variable = find_variable(name);
    if (node.variable == nullptr && !is_pattern_variable(name)) {
      return problem(begin, "unknown variable name " + quoted(name),
                     did_you_mean(name, variable_names()));
    }
    node.run = run_variable;
    node.text = std::string(name);
    return true;
  }

  static bool is_header(std::string_view name) {
    for (std::string_view prefix :
         {"h_", "header_", "rh_", "rheader_", "bh_", "bheader_", "lh_", "lheader_"}) {
      if (name.starts_with(prefix) && name.size() > prefix.size()) return true;
    }
    return false;
  }

  // The rest of a header's name, which may have hyphens, and its colon.
  bool header(Node& node, size_t begin) {
    while (!at_end() && here() > ' ' && here() < 0x7f && here() != ':' && here() != '}') ++i_;
    const std::string name(text_.substr(begin, i_ - begin));
    accept(':');
    return unavailable(node, "the header " + name, begin);
  }

  bool unavailable(Node& node, std::string what, size_t begin) {
    if (!options_.tolerate_unavailable) return problem(begin, what + " is not available yet");
    node.run = run_unavailable;
    node.text = std::move(what);
    return true;
  }

  // After "${".
  bool braced(Node& node, size_t begin) {
    const size_t inside = i_;
    if (is_digit(here())) return capture(node) && close(begin);
    if (!is_alpha(here())) return problem(i_, "a letter or a digit is expected after ${");
    const std::string_view name = read_name();
    if (is_header(name)) return header(node, begin) && close(begin);
    if (accept('}')) return variable(node, name, inside);
    if (accept(':')) return operation(node, name, begin, inside);
    return item(node, name, begin, inside);
  }

  bool close(size_t begin) {
    if (accept('}')) return true;
    return problem(at_end() ? begin : i_,
                   at_end() ? "the } of this item is missing" : "} is expected here");
  }

  bool operation(Node& node, std::string_view name, size_t begin, size_t inside) {
    node.op = find_row(operator_rows(), name);
    if (node.op == nullptr && !operator_with_numbers(node, name, inside)) return false;
    if (node.number_count < node.op->numbers_min) {
      return problem(
          inside, quoted(node.op->name) + " needs a number: " + std::string(node.op->name) + "_3");
    }
    node.run = run_operator;
    node.parts.emplace_back();
    if (!nested(node.parts[0]) || !close(begin)) return false;
    if (node.op->run != nullptr) return true;
    return unavailable(node, "the operator " + quoted(node.op->name), inside);
  }

  // name_1_2, or quote_<lookup>.
  bool operator_with_numbers(Node& node, std::string_view name, size_t inside) {
    const size_t underscore = name.find('_');
    const std::string_view base = name.substr(0, underscore);
    node.op = find_row(operator_rows(), base);
    if (node.op == nullptr) {
      return problem(inside, "unknown expansion operator " + quoted(name),
                     hint_from(operator_rows(), name));
    }
    if (base == "quote" || base == "listnamed") return true;
    std::string_view rest = name.substr(underscore);
    while (!rest.empty()) {
      rest.remove_prefix(1);
      const size_t length = std::min(rest.find('_'), rest.size());
      if (!add_number(node, rest.substr(0, length))) {
        return problem(inside, "a number is expected after the underscore in " + quoted(name));
      }
      rest.remove_prefix(length);
    }
    return true;
  }

  static bool add_number(Node& node, std::string_view digits) {
    const auto value = parse_decimal(digits);
    if (!value || *value > kExpansionBytesMax || node.number_count >= node.op->numbers_max) {
      return false;
    }
    node.numbers[node.number_count++] = static_cast<int64_t>(*value);
    return true;
  }

  bool nested(Sequence& out) {
    if (++depth_ > kCompileDepthMax) return problem(i_, "braces are nested too deeply");
    const bool good = sequence(out, true);
    --depth_;
    return good;
  }

  bool item(Node& node, std::string_view name, size_t begin, size_t inside) {
    // substr_-3:text has a sign, which is no part of a name.
    if (here() == '-' && name.ends_with('_')) return signed_operation(node, name, begin, inside);
    const ItemRow* row = find_row(item_rows(), name);
    if (row == nullptr) {
      const bool item_like = !at_end() && (here() == '{' || is_space(here()));
      return problem(inside,
                     item_like ? "unknown expansion item " + quoted(name)
                               : "} is missing after the name " + quoted(name),
                     hint_from(item_rows(), name));
    }
    if (row->available) return if_item(node, begin);
    if (!unavailable(node, "the expansion item " + quoted(name), inside)) return false;
    return skip_braces(begin);
  }

  bool signed_operation(Node& node, std::string_view name, size_t begin, size_t inside) {
    name.remove_suffix(1);
    node.op = find_row(operator_rows(), name);
    const size_t minus = i_++;
    const std::string_view numbers = read_name();
    const size_t underscore = std::min(numbers.find('_'), numbers.size());
    if (node.op == nullptr || node.op->numbers_max < 2 ||
        !add_number(node, numbers.substr(0, underscore))) {
      return problem(inside, "unknown expansion operator " + quoted(name));
    }
    node.numbers[0] = -node.numbers[0];
    if (underscore < numbers.size() && !add_number(node, numbers.substr(underscore + 1))) {
      return problem(minus, "a number is expected after the underscore");
    }
    if (!accept(':')) return problem(i_, ": is expected here");
    node.run = run_operator;
    node.parts.emplace_back();
    if (!nested(node.parts[0]) || !close(begin)) return false;
    if (node.op->run != nullptr) return true;
    return unavailable(node, "the operator " + quoted(node.op->name), inside);
  }

  // The rest of an item that cannot be compiled, to its closing brace.
  bool skip_braces(size_t begin) {
    size_t open = 1;
    for (; !at_end(); ++i_) {
      if (here() == '\\') {
        ++i_;
      } else if (here() == '{') {
        ++open;
      } else if (here() == '}' && --open == 0) {
        ++i_;
        return true;
      }
    }
    return problem(begin, "the } of this item is missing");
  }

  // ${if condition {yes}{no}}
  bool if_item(Node& node, size_t begin) {
    node.run = run_if;
    node.conditions.emplace_back();
    node.parts.resize(2);
    if (!condition(node.conditions[0])) return false;
    skip_space();
    if (here() == '}') {
      add_literal(node.parts[0], "true");
    } else if (!branches(node)) {
      return false;
    }
    skip_space();
    return close(begin);
  }

  bool branches(Node& node) {
    if (!argument(node.parts[0], "the text for a condition that holds")) return false;
    skip_space();
    if (here() == '}') return true;
    if (here() == '{')
      return argument(node.parts[1], "the text for a condition that does not hold");
    if (at_end()) return problem(i_, "the } of this item is missing");
    const size_t begin = i_;
    if (read_name() != "fail") return problem(begin, "{ or \"fail\" is expected here");
    node.parts[1].emplace_back().run = run_fail;
    return true;
  }

  static void add_literal(Sequence& out, std::string text) {
    Node node;
    node.run = run_literal;
    node.text = std::move(text);
    out.push_back(std::move(node));
  }

  // {text}
  bool argument(Sequence& out, std::string_view what) {
    skip_space();
    const size_t begin = i_;
    if (!accept('{')) return problem(begin, "{ is expected here, before " + std::string(what));
    return nested(out) && close(begin);
  }

  bool condition(ConditionNode& node) {
    if (++depth_ > kCompileDepthMax) return problem(i_, "conditions are nested too deeply");
    const bool good = condition_inside(node);
    --depth_;
    return good;
  }

  bool condition_inside(ConditionNode& node) {
    skip_space();
    while (accept('!')) {
      node.negated = !node.negated;
      skip_space();
    }
    const size_t begin = i_;
    const std::string_view name = condition_name();
    if (name.empty()) return problem(begin, "the name of a condition is expected here");
    const ConditionRow* row = find_row(condition_rows(), name);
    if (row == nullptr) {
      const std::string hint = name == "ne" ? "write !eq" : hint_from(condition_rows(), name);
      return problem(begin, "unknown condition " + quoted(name), hint);
    }
    node.run = row->run;
    node.form = row->form;
    if (row->run == nullptr) return unavailable_condition(node, *row, begin);
    switch (row->shape) {
      case ConditionShape::strings:
        return condition_strings(node, *row);
      case ConditionShape::list:
        return condition_list(node, *row);
      case ConditionShape::variable:
        return condition_variable(node);
      case ConditionShape::condition:
        return condition_children(node);
    }
    return false;
  }

  std::string_view condition_name() {
    if (is_alpha(here())) return read_name();
    const size_t begin = i_;
    while (here() == '<' || here() == '>' || here() == '=') ++i_;
    return text_.substr(begin, i_ - begin);
  }

  bool unavailable_condition(ConditionNode& node, const ConditionRow& row, size_t begin) {
    node.text = "the condition " + quoted(row.name);
    if (!options_.tolerate_unavailable) return problem(begin, node.text + " is not available yet");
    node.run = run_unavailable_condition;
    for (uint8_t n = 0; n < row.args; ++n) {
      skip_space();
      if (accept('{') && !skip_braces(begin)) return false;
    }
    return true;
  }

  bool condition_strings(ConditionNode& node, const ConditionRow& row) {
    node.args.resize(row.args);
    for (Sequence& arg : node.args) {
      if (!argument(arg, "a text for the condition " + quoted(row.name))) return false;
    }
    return true;
  }

  bool condition_list(ConditionNode& node, const ConditionRow& row) {
    node.args.resize(1);
    if (!argument(node.args[0], "a text for the condition " + quoted(row.name))) return false;
    skip_space();
    const size_t begin = i_;
    if (!accept('{')) return problem(begin, "{ and a list are expected here");
    const size_t first = i_;
    if (!skip_braces(begin)) return false;
    if (options_.lists == nullptr) return problem(begin, "lists cannot be matched here");
    const LocatedText list = literal_list(located_.substr(first, i_ - 1 - first));
    const size_t errors = diagnostics_.error_count();
    node.list = options_.lists->compile(static_cast<ListKind>(row.form), list,
                                        {false, options_.tolerate_unavailable}, diagnostics_);
    return diagnostics_.error_count() == errors;
  }

  // The list of match_... is not expanded, but its protection is taken off.
  static LocatedText literal_list(const LocatedText& raw) {
    LocatedText out;
    size_t copied = 0;
    for (size_t at = raw.view().find("\\N"); at != std::string_view::npos;
         at = raw.view().find("\\N", copied)) {
      out.append(raw.substr(copied, at - copied));
      copied = at + 2;
    }
    out.append(raw.substr(copied));
    return out;
  }

  bool condition_variable(ConditionNode& node) {
    if (!accept(':')) return problem(i_, ": and the name of a variable are expected after \"def\"");
    const size_t begin = i_;
    const std::string_view name = read_name();
    if (is_header(name)) {
      Node unused;
      if (!header(unused, begin)) return false;
      node.run = run_unavailable_condition;
      node.text = unused.text;
      return true;
    }
    node.variable = find_variable(name);
    node.text = std::string(name);
    if (node.variable != nullptr || is_pattern_variable(name)) return true;
    return problem(begin, "unknown variable " + quoted(name) + " after \"def:\"",
                   did_you_mean(name, variable_names()));
  }

  // {{condition}{condition}...}
  bool condition_children(ConditionNode& node) {
    skip_space();
    const size_t begin = i_;
    if (!accept('{')) return problem(begin, "{ is expected here, before the conditions");
    for (skip_space(); here() == '{'; skip_space()) {
      const size_t child = i_++;
      if (!condition(node.children.emplace_back())) return false;
      skip_space();
      if (!close(child)) return false;
    }
    return close(begin);
  }

  const LocatedText& located_;
  std::string_view text_;
  const CompileOptions& options_;
  Diagnostics& diagnostics_;
  size_t i_ = 0;
  size_t depth_ = 0;
};

}  // namespace

std::optional<Expansion> compile_expansion(const LocatedText& text, const CompileOptions& options,
                                           Diagnostics& diagnostics) {
  auto program = Compiler(text, options, diagnostics).run();
  if (program == nullptr) return std::nullopt;
  return Expansion(std::move(program));
}

Result<Expansion> compile_expansion(std::string_view text, const CompileOptions& options) {
  Diagnostics diagnostics;
  auto expansion = compile_expansion(LocatedText(std::string(text)), options, diagnostics);
  if (expansion) return std::move(*expansion);
  return Error(Errc::config, diagnostics.all().front().message);
}

}  // namespace godwit::acl
