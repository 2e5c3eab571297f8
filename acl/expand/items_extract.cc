// ${extract: by key from name=value text, by number with separators, or from JSON.
#include "acl/expand/arguments.h"
#include "acl/expand/items.h"
#include "acl/expand/json.h"
#include "acl/expand/parser.h"
#include "acl/expand/scratch.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"

#include <charconv>
#include <utility>

namespace godwit::acl {
namespace {

enum class Format : uint8_t { text, json, json_string };

// Of a key that is a number.
std::optional<int64_t> field_number(std::string_view key) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
  if (error != std::errc() || end != key.data() + key.size()) return std::nullopt;
  return number;
}

// What a "..." at the start of `text` means, and what is left behind it.
std::string_view take_quoted(std::string_view& text, Scratch& made) {
  std::string& out = made.text();
  out.clear();
  size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] != '\\' || at + 1 >= text.size()) {
      out += text[at];
      continue;
    }
    constexpr std::string_view kLetters = "bfnrtv";
    constexpr std::string_view kControls = "\b\f\n\r\t\v";
    const size_t known = kLetters.find(text[++at]);
    out += known == std::string_view::npos ? text[at] : kControls[known];
  }
  text.remove_prefix(std::min(at + 1, text.size()));
  return out;
}

// What stands before the first blank, or before `stop`; `text` goes on there.
std::string_view take_word(std::string_view& text, char stop = ' ') {
  const char* end = text.data();
  const char* const close = end + text.size();
  while (end != close && *end != stop && !is_space(*end)) ++end;
  const std::string_view word(text.data(), end);
  text = {end, close};
  return word;
}

// The value of `key` in: name = value name = "value" ... It is a part of `text`, or `made`.
std::optional<std::string_view> value_of_key(std::string_view text, std::string_view key,
                                             Scratch& made) {
  while (true) {
    text = trim_left(text);
    if (text.empty()) return std::nullopt;
    const std::string_view name = take_word(text, '=');
    text = trim_left(text);
    if (text.starts_with('=')) text = trim_left(text.substr(1));
    const std::string_view value =
        text.starts_with('"') ? take_quoted(text, made) : take_word(text);
    if (equals_ignore_case(name, key)) return value;
  }
}

// Where the first of `separators` stands. Nearly always there is one to look for.
size_t find_separator(std::string_view text, std::string_view separators) {
  return separators.size() == 1 ? text.find(separators.front()) : text.find_first_of(separators);
}

// Field `number` from 1, from the end where negative; 0: the whole.
std::optional<std::string_view> numbered_field(std::string_view text, int64_t number,
                                               std::string_view separators) {
  if (number == 0) return text;
  if (number < 0) {
    int64_t count = 1;
    for (char c : text) count += separators.find(c) != std::string_view::npos ? 1 : 0;
    number += count + 1;
    if (number <= 0) return std::nullopt;
  }
  for (; number > 1; --number) {
    const size_t at = find_separator(text, separators);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + 1);
  }
  return text.substr(0, find_separator(text, separators));
}

Format format_of(const Node& node) {
  return static_cast<Format>(node.numbers[0]);
}

// Not ok: the text is not JSON of the kind that the key asks for.
EvalStatus find_in_json(const Node& node, std::string_view text, std::string_view key,
                        EvalContext& context, std::optional<std::string_view>& found) {
  const std::optional<int64_t> number = field_number(key);
  if (number && *number <= 0) {
    return fail(context, "first argument of \"extract\" must be greater than zero");
  }
  const auto inside = number ? json_inside(text, '[', ']') : json_inside(text, '{', '}');
  if (!inside) {
    return fail(context, number ? "missing '[' or ']' wrapping array for extract json"
                                : "missing '{' or '}' wrapping object for extract json");
  }
  std::string_view rest = *inside;
  std::string_view element;
  std::optional<std::string_view> value;
  for (int64_t at = 1; !value && next_json_element(rest, element); ++at) {
    std::string_view name;
    std::string_view member;
    if (number) {
      if (at == *number) value = element;
    } else if (split_json_member(element, name, member) && name == key) {
      value = member;
    }
  }
  if (!value) return EvalStatus::ok;
  if (format_of(node) == Format::json_string) {
    value = json_string(*value);
    if (!value) return fail(context, "missing '\"' wrapping string result for extract jsons");
  }
  found = value;
  return EvalStatus::ok;
}

}  // namespace

// How many arguments come before the branches depends on the first: a number wants separators.
bool parse_extract(Parser& parser, Node& node) {
  parser.skip_space();
  Format format = Format::text;
  if (parser.accept_word("jsons")) format = Format::json_string;
  if (parser.accept_word("json")) format = Format::json;
  node.numbers[0] = static_cast<int64_t>(format);
  const size_t begin = parser.offset();
  for (parser.skip_space(); parser.here() == '{' && node.parts.size() < 5; parser.skip_space()) {
    if (!parser.argument(node.parts.emplace_back(), "an argument")) return false;
  }
  if (node.parts.size() < 2) {
    return parser.problem(begin, "Not enough arguments for 'extract' (min is 2)");
  }
  node.tail_fails = parser.accept_word("fail");
  std::string key;
  // Where the key is known, so is the shape.
  if (!is_literal(node.parts[0], &key)) return true;
  const std::string_view trimmed = trim(key);
  if (trimmed.empty()) {
    return parser.problem(begin, "first argument of \"extract\" must not be empty");
  }
  const std::optional<int64_t> number = field_number(trimmed);
  const size_t fixed = format == Format::text && number ? 3 : 2;
  if (fixed == 3) {
    node.numbers[1] = *number;
    node.number_count = 2;
  }
  if (node.parts.size() < fixed) {
    return parser.problem(begin, "Not enough arguments for 'extract' (min is 3)");
  }
  if (node.parts.size() > fixed + 2) {
    return parser.problem(begin, "Too many arguments for 'extract'");
  }
  return true;
}

namespace {

// Evaluates the key, where it is not a number that was read at load. `name` is a part of `key`.
EvalStatus read_key(const Node& node, EvalContext& context, Argument& key, std::string_view& name,
                    std::optional<int64_t>& number) {
  if (node.number_count == 2) {
    number = node.numbers[1];
    return EvalStatus::ok;
  }
  const EvalStatus status = key.read(node.parts[0], context);
  if (status != EvalStatus::ok) return status;
  name = trim(key.text());
  if (name.empty()) return fail(context, "first argument of \"extract\" must not be empty");
  if (format_of(node) == Format::text) number = field_number(name);
  return EvalStatus::ok;
}

}  // namespace

EvalStatus run_extract(const Node& node, EvalContext& context, std::string& out) {
  Argument key;
  std::string_view name;
  std::optional<int64_t> number;
  EvalStatus status = read_key(node, context, key, name, number);
  if (status != EvalStatus::ok) return status;
  const size_t fixed = number ? 3 : 2;
  if (node.parts.size() < fixed || node.parts.size() > fixed + 2) {
    return fail(context,
                "wrong number of arguments for \"extract\" of \"" + std::string(key.text()) + "\"");
  }
  Argument separators;
  if (number) {
    status = separators.read(node.parts[1], context);
    if (status != EvalStatus::ok) return status;
  }
  Argument text;
  status = text.read(node.parts[fixed - 1], context);
  if (status != EvalStatus::ok) return status;
  std::optional<std::string_view> found;
  Scratch made;
  if (number) {
    found = numbered_field(text.text(), *number, separators.text());
  } else if (format_of(node) == Format::text) {
    found = value_of_key(text.text(), name, made);
  } else {
    status = find_in_json(node, text.text(), name, context, found);
    if (status != EvalStatus::ok) return status;
  }
  const size_t branches = node.parts.size() - fixed;
  if (found && branches == 0) {
    out += *found;
    context.tainted |= text.tainted();
    return EvalStatus::ok;
  }
  if (found) {
    const ValueGuard guard(context);
    set_value(context, *found, text.tainted());
    return run_sequence(node.parts[fixed], context, out);
  }
  if (branches > 1) return run_sequence(node.parts[fixed + 1], context, out);
  if (!node.tail_fails) return EvalStatus::ok;
  context.error = "\"extract\" failed and \"fail\" requested";
  return EvalStatus::forced_fail;
}

}  // namespace godwit::acl
