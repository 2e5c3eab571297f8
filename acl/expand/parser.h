// The parser of expandable strings: text in, tree out, one pass (EXIM.md 3.1). The first problem of
// a string ends its compilation. Items and conditions are rows (items.h, conditions.h); those with
// a grammar of their own get the parser and use what is public here. parser.cc has text, variables
// and headers; parser_items.cc operators, items and tails; parser_conditions.cc conditions.
#pragma once

#include "acl/expand/conditions.h"
#include "acl/expand/items.h"
#include "acl/expand/node.h"
#include "acl/expand/operators.h"

#include <memory>
#include <string>
#include <string_view>

namespace godwit::acl {

class Parser {
 public:
  Parser(const config::LocatedText& text, const CompileOptions& options,
         config::Diagnostics& diagnostics)
      : located_(text), text_(text.view()), options_(options), diagnostics_(diagnostics) {}

  // Null: `diagnostics` says why.
  std::shared_ptr<const ExpansionProgram> run();

  // The cursor.
  bool at_end() const noexcept { return i_ >= text_.size(); }
  char here() const noexcept { return at_end() ? '\0' : text_[i_]; }
  size_t offset() const noexcept { return i_; }
  bool accept(char c);
  bool accept_word(std::string_view word);  // followed by no letter or digit
  void skip_space();
  std::string_view read_name();  // letters, digits, underscores
  std::string_view text() const noexcept { return text_; }
  config::LocatedText located(size_t begin, size_t length) const {
    return located_.substr(begin, length);
  }
  void advance(size_t count) noexcept { i_ += count; }

  // Reports and gives false.
  bool problem(size_t offset, std::string message, std::string hint = {});
  // The same for something that the language has and this program has not (yet).
  bool unavailable(Node& node, std::string what, size_t begin);

  // `{...}` as one argument. `what`, and the name that it is for, are for the message where there
  // is none.
  bool argument(Sequence& out, std::string_view what, std::string_view name = {});
  // The rest of an argument whose brace was read, and its closing brace.
  bool argument_rest(Sequence& out, size_t opened_at);
  // All arguments from here, and the tail, as the row of `node` says; the closing brace stays.
  bool arguments(Node& node);
  bool tail(Node& node);
  bool condition(ConditionNode& node);
  // '}' of what began at `begin`.
  bool close(size_t begin);
  // To the '}' that closes what began at `begin`, which is read, too.
  bool skip_braces(size_t begin);
  // `{condition}`.
  bool braced_condition(ConditionNode& node);

  // Compiles a piece of this text on its own (one word of a command).
  std::shared_ptr<const ExpansionProgram> compile_piece(size_t begin, size_t length);
  // Compiles a constant regular expression (RegexData); false with a problem at `begin` where
  // it is wrong.
  bool constant_regex(std::string_view pattern, size_t begin,
                      std::shared_ptr<const ItemData>& data);
  // Reports a sink that is certainly fed from outside.
  bool check_taint(const Sequence& sequence, std::string_view sink, size_t begin);

  const CompileOptions& options() const noexcept { return options_; }
  config::Diagnostics& diagnostics() noexcept { return diagnostics_; }
  size_t error_count() const noexcept { return diagnostics_.error_count(); }
  config::Place place(size_t offset) const { return located_.at(offset); }

 private:
  bool sequence(Sequence& out, bool in_braces);
  bool nested(Sequence& out);
  bool escape(std::string& out);
  bool protected_text(std::string& out);
  bool numeric_escape(std::string& out, unsigned base, size_t digits_max);
  bool dollar(Node& node);
  bool capture(Node& node);
  bool variable(Node& node, std::string_view name, size_t begin);
  bool braced_variable(Node& node, std::string_view name, size_t begin);
  bool header(Node& node, size_t begin);
  bool braced(Node& node, size_t begin);

  bool operation(Node& node, std::string_view name, size_t begin, size_t inside);
  bool operator_with_numbers(Node& node, std::string_view name, size_t inside);
  bool operand(Node& node, size_t begin, size_t inside);
  bool item(Node& node, std::string_view name, size_t begin, size_t inside);

  std::string_view condition_name();
  bool unavailable_condition(ConditionNode& node, const ConditionRow& row, size_t begin);
  bool condition_strings(ConditionNode& node, const ConditionRow& row);
  bool condition_list(ConditionNode& node, const ConditionRow& row);
  bool literal_text(config::LocatedText& out);
  bool condition_each(ConditionNode& node, const ConditionRow& row);
  bool condition_variable(ConditionNode& node);
  bool condition_children(ConditionNode& node);
  bool condition_braced_strings(ConditionNode& node, const ConditionRow& row);

  const config::LocatedText& located_;
  std::string_view text_;
  const CompileOptions& options_;
  config::Diagnostics& diagnostics_;
  size_t i_ = 0;
  size_t depth_ = 0;
};

// "h_", "rheader_" and the like with a name after it.
bool is_header_name(std::string_view name) noexcept;

}  // namespace godwit::acl
