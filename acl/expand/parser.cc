// Text, escapes, variables and headers.
#include "acl/expand/parser.h"

#include "acl/expand/arguments.h"
#include "acl/expand/headers.h"
#include "acl/expand/regex.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"

#include <algorithm>
#include <utility>

namespace godwit::acl {

bool is_header_name(std::string_view name) noexcept {
  return header_variable(name).has_value();
}

std::shared_ptr<const ExpansionProgram> Parser::run() {
  auto program = std::make_shared<ExpansionProgram>();
  program->source = located_.text();
  if (text_.size() > kExpansionSourceBytesMax) {
    problem(0, "the string is too long");
    return nullptr;
  }
  if (!sequence(program->nodes, false)) return nullptr;
  if (is_literal(program->nodes, &program->constant)) program->nodes.clear();
  for (const Node& node : program->nodes) program->suspends |= node.suspends;
  return program;
}

bool Parser::problem(size_t offset, std::string message, std::string hint) {
  diagnostics_.error(located_.at(offset), std::move(message), std::move(hint));
  return false;
}

bool Parser::unavailable(Node& node, std::string what, size_t begin) {
  if (!options_.tolerate_unavailable) return problem(begin, what + " is not available");
  node.run = run_unavailable;
  node.text = std::move(what);
  return true;
}

bool Parser::accept(char c) {
  if (at_end() || text_[i_] != c) return false;
  ++i_;
  return true;
}

bool Parser::accept_word(std::string_view word) {
  const std::string_view rest = text_.substr(i_);
  if (!rest.starts_with(word)) return false;
  if (rest.size() > word.size() && is_alnum(rest[word.size()])) return false;
  i_ += word.size();
  return true;
}

void Parser::skip_space() {
  while (!at_end() && is_space(text_[i_])) ++i_;
}

std::string_view Parser::read_name() {
  const size_t begin = i_;
  while (!at_end() && (is_alnum(text_[i_]) || text_[i_] == '_')) ++i_;
  return text_.substr(begin, i_ - begin);
}

// Up to the end of the text or, in braces, to the closing one, which stays unread.
bool Parser::sequence(Sequence& out, bool in_braces) {
  std::string literal;
  const auto flush = [&] {
    if (literal.empty()) return;
    Node& node = out.emplace_back();
    node.run = run_literal;
    node.text = std::exchange(literal, {});
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
      const size_t begin = i_++;
      while (!at_end() && here() != '\\' && here() != '$' && here() != '}') ++i_;
      literal += text_.substr(begin, i_ - begin);
    }
  }
  flush();
  return true;
}

bool Parser::nested(Sequence& out) {
  if (depth_ >= kCompileDepthMax) return problem(i_, "braces are nested too deeply");
  ++depth_;
  const bool good = sequence(out, true);
  --depth_;
  return good;
}

bool Parser::escape(std::string& out) {
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
bool Parser::protected_text(std::string& out) {
  ++i_;
  const size_t end = text_.find("\\N", i_);
  out += text_.substr(i_, end == std::string_view::npos ? end : end - i_);
  i_ = end == std::string_view::npos ? text_.size() : end + 2;
  return true;
}

bool Parser::numeric_escape(std::string& out, unsigned base, size_t digits_max) {
  unsigned value = 0;
  for (size_t n = 0; n < digits_max && !at_end(); ++n, ++i_) {
    if (base == 8 ? here() < '0' || here() > '7' : !is_hex(here())) break;
    value = value * base + static_cast<unsigned>(hex_value(here()));
  }
  out += static_cast<char>(value & 0xff);
  return true;
}

bool Parser::dollar(Node& node) {
  const size_t begin = i_++;
  if (is_digit(here())) return capture(node);
  if (is_alpha(here())) {
    const std::string_view name = read_name();
    if (is_header_name(name)) return header(node, begin + 1);
    return variable(node, name, begin);
  }
  if (accept('{')) return braced(node, begin);
  return problem(begin, "$ not followed by letter, digit, or {", "write \\$ for a dollar sign");
}

bool Parser::capture(Node& node) {
  size_t index = 0;
  for (; is_digit(here()); ++i_) {
    index = std::min<size_t>(index * 10 + static_cast<size_t>(here() - '0'), 1'000'000);
  }
  node.run = run_capture;
  node.number_count = index;
  return true;
}

bool Parser::variable(Node& node, std::string_view name, size_t begin) {
  node.variable = find_variable(name);
  if (node.variable == nullptr && !is_pattern_variable(name)) {
    return problem(begin, "unknown variable name " + quoted(name),
                   config::did_you_mean(name, variable_names()));
  }
  node.run = variable_run(node.variable);
  node.text = std::string(name);
  return true;
}

bool Parser::braced_variable(Node& node, std::string_view name, size_t begin) {
  if (find_variable(name) != nullptr || is_pattern_variable(name)) {
    return variable(node, name, begin);
  }
  return problem(begin, "unknown variable in \"${" + std::string(name) + "}\"",
                 config::did_you_mean(name, variable_names()));
}

// From the 'h' on: the rest of a header's name, which may have hyphens, and its colon.
bool Parser::header(Node& node, size_t begin) {
  while (!at_end() && here() > ' ' && here() < 0x7f && here() != ':' && here() != '}' &&
         here() != '{') {
    ++i_;
  }
  node.run = run_header;
  node.text = std::string(text_.substr(begin, i_ - begin));
  accept(':');
  return true;
}

// After "${".
bool Parser::braced(Node& node, size_t begin) {
  const size_t inside = i_;
  if (is_digit(here())) return capture(node) && close(begin);
  if (!is_alpha(here())) return problem(i_, "$ not followed by letter, digit, or {");
  const std::string_view name = read_name();
  // ${h_3_10:text} is the operator hash.
  const bool is_hash = here() == ':' && name.starts_with("h_") && name.size() > 2 &&
                       name.find_first_not_of("0123456789_", 2) == std::string_view::npos;
  if (!is_hash && is_header_name(name)) return header(node, inside) && close(begin);
  if (accept('}')) return braced_variable(node, name, inside);
  if (accept(':')) return operation(node, name, begin, inside);
  return item(node, name, begin, inside);
}

bool Parser::close(size_t begin) {
  if (accept('}')) return true;
  if (at_end()) return problem(begin, "the } of this item is missing");
  if (here() == '{') return problem(i_, "too many arguments: } is expected here");
  return problem(i_, "} is expected here");
}

bool Parser::skip_braces(size_t begin) {
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
  i_ = text_.size();
  return problem(begin, "the } of this item is missing");
}

std::shared_ptr<const ExpansionProgram> Parser::compile_piece(size_t begin, size_t length) {
  const config::LocatedText piece = located_.substr(begin, length);
  Parser parser(piece, options_, diagnostics_);
  parser.depth_ = depth_ + 1;
  return parser.run();
}

bool Parser::constant_regex(std::string_view pattern, size_t begin,
                            std::shared_ptr<const ItemData>& data) {
  Result<Regex> regex = compile_regex(pattern);
  if (!regex) return problem(begin, regex.error().detail());
  data = std::make_shared<RegexData>(std::move(*regex));
  return true;
}

bool Parser::check_taint(const Sequence& sequence, std::string_view sink, size_t begin) {
  for (const Node& node : sequence) {
    const bool from_outside = node.run == run_header ||
                              (node.variable != nullptr && node.variable->taint == Taint::outside);
    if (!from_outside) continue;
    diagnostics_.warning(
        located_.at(begin),
        "$" + node.text + " comes from outside and is refused " + std::string(sink),
        "use a value that a lookup gave, such as $local_part_data");
    return false;
  }
  return true;
}

}  // namespace godwit::acl
