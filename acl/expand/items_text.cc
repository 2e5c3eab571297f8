// Items that change a text.
#include "acl/expand/arguments.h"
#include "acl/expand/digest.h"
#include "acl/expand/items.h"
#include "acl/expand/operators.h"
#include "acl/expand/parser.h"
#include "acl/expand/regex.h"
#include "acl/expand/text_encoding.h"
#include "core/base/ascii.h"

#include <array>
#include <optional>
#include <utility>

namespace godwit::acl {
namespace {

// A number as an argument. An empty text is 0.
EvalStatus read_number(const Value& value, bool may_be_negative, const Node& node,
                       EvalContext& context, std::optional<int64_t>& number) {
  std::string_view text = value.text;
  const bool negative = may_be_negative && text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::optional<uint64_t> digits =
      text.empty() ? std::optional<uint64_t>(0) : parse_decimal(text);
  if (!digits || *digits > kExpansionBytesMax) {
    return fail(context, "\"" + value.text + "\" is not a " + (may_be_negative ? "" : "positive ") +
                             "number (in \"" + node.text + "\" expansion)");
  }
  number = negative ? -static_cast<int64_t>(*digits) : static_cast<int64_t>(*digits);
  return EvalStatus::ok;
}

std::string modified_base64(std::string_view utf16) {
  std::string text;
  append_base64(utf16, text);
  while (!text.empty() && text.back() == '=') text.pop_back();
  for (char& c : text) {
    if (c == '/') c = ',';
  }
  return text;
}

// RFC 3501 5.1.3.
std::string imap_utf7(std::string_view utf8, std::string_view specials) {
  std::string out;
  for (size_t i = 0; i < utf8.size();) {
    const char c = utf8[i];
    const bool plain = c >= 0x20 && c <= 0x7e && specials.find(c) == std::string_view::npos;
    if (plain) {
      out += c;
      if (c == '&') out += '-';
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < utf8.size() &&
           (utf8[i] < 0x20 || utf8[i] > 0x7e || specials.find(utf8[i]) != std::string_view::npos)) {
      ++i;
    }
    const std::optional<std::string> wide =
        convert_charset(utf8.substr(begin, i - begin), "UTF-8", "UTF-16BE");
    out += "&" + modified_base64(wide.value_or("")) + "-";
  }
  return out;
}

// What ${sg knows at load.
struct SubstitutionData final : ItemData {
  std::optional<Regex> regex;
  std::optional<Expansion> replacement;
};

EvalStatus compile_replacement(const Argument& text, EvalContext& context, Expansion& made) {
  const bool expands = text.text().find_first_of("$\\") != std::string_view::npos;
  if (expands && text.tainted()) {
    return fail(context, "attempt to expand tainted string '" + std::string(text.text()) + "'");
  }
  Result<Expansion> with = compile_expansion(text.text(), run_time_options(context));
  if (!with) return fail(context, with.error().detail());
  made = std::move(*with);
  return EvalStatus::ok;
}

EvalStatus substitute(const Regex& regex, std::string_view text, const Expansion& with,
                      EvalContext& context, std::string& out) {
  size_t at = 0;
  bool not_empty = false;
  RegexMatch match;
  Captures* captures = with.is_constant() ? nullptr : &context.captures;
  while (at <= text.size()) {
    const Result<bool> found = regex.search_from(text, at, not_empty, match, captures);
    if (!found) return fail(context, found.error().to_string());
    if (!*found) {
      if (!not_empty || at == text.size()) break;
      // After an empty match the next character stands for itself.
      out += text[at++];
      not_empty = false;
      continue;
    }
    out += text.substr(at, match.begin - at);
    const EvalStatus status = with.append(context, out);
    if (status != EvalStatus::ok) return status;
    if (out.size() > kExpansionBytesMax) return fail(context, "the expansion is too long");
    at = match.end;
    not_empty = match.begin == match.end;
  }
  if (at < text.size()) out += text.substr(at);
  return EvalStatus::ok;
}

}  // namespace

// ${sg{subject}{regex}{replacement}}: the replacement is expanded for each match.
EvalStatus run_sg(const Node& node, EvalContext& context, std::string& out) {
  std::array<Argument, 3> args;
  // The replacement is expanded before its $1 mean anything: they are read from its value.
  for (size_t i = 0; i < args.size(); ++i) {
    const EvalStatus status = args[i].read(node.parts[i], context);
    if (status != EvalStatus::ok) return status;
  }
  const auto* known = static_cast<const SubstitutionData*>(node.data.get());
  std::optional<Regex> made_regex;
  const Regex* regex = known != nullptr && known->regex ? &*known->regex : nullptr;
  if (regex == nullptr) {
    Result<Regex> compiled = compile_regex(args[1].text());
    if (!compiled) return fail(context, compiled.error().detail());
    regex = &made_regex.emplace(std::move(*compiled));
  }
  Expansion made;
  const Expansion* with = known != nullptr && known->replacement ? &*known->replacement : nullptr;
  if (with == nullptr) {
    const EvalStatus status = compile_replacement(args[2], context, made);
    if (status != EvalStatus::ok) return status;
    with = &made;
  }
  context.tainted |= args[0].tainted() || args[2].tainted();
  const CapturesGuard guard(context, args[0].tainted());
  return substitute(*regex, args[0].text(), *with, context, out);
}

// What is constant is compiled once.
bool check_sg(Parser& parser, Node& node) {
  auto data = std::make_shared<SubstitutionData>();
  std::string text;
  if (is_literal(node.parts[1], &text)) {
    Result<Regex> regex = compile_regex(text);
    if (!regex) return parser.problem(parser.offset() - 1, regex.error().detail());
    data->regex = std::move(*regex);
  }
  // A replacement that cannot be compiled fails when it is needed.
  if (is_literal(node.parts[2], &text)) {
    Result<Expansion> with = compile_expansion(text, {});
    if (with) data->replacement = std::move(*with);
  }
  node.data = std::move(data);
  return true;
}

// ${tr{subject}{from}{to}}: what has no partner becomes the last of `to`.
EvalStatus run_tr(const Node& node, EvalContext& context, std::string& out) {
  std::array<Argument, 3> args;
  for (size_t i = 0; i < args.size(); ++i) {
    const EvalStatus status = args[i].read(node.parts[i], context);
    if (status != EvalStatus::ok) return status;
  }
  const std::string_view from = args[1].text();
  const std::string_view to = args[2].text();
  for (char c : args[0].text()) {
    const size_t at = to.empty() ? std::string_view::npos : from.rfind(c);
    out += at == std::string_view::npos ? c : to[std::min(at, to.size() - 1)];
  }
  context.tainted |= args[0].tainted();
  return EvalStatus::ok;
}

// length, substr, hash and nhash with their numbers in braces.
EvalStatus run_number_item(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  std::array<std::optional<int64_t>, 2> numbers;
  for (size_t i = 0; i + 1 < args.size(); ++i) {
    status = read_number(args[i], i == 0 && node.text == "substr", node, context, numbers[i]);
    if (status != EvalStatus::ok) return status;
  }
  const std::string& text = args.back().text;
  context.tainted |= args.back().tainted;
  const int64_t first = numbers[0].value_or(0);
  if (node.text == "length") {
    take_substr(text, 0, first, out);
    return EvalStatus::ok;
  }
  if (node.text == "substr") {
    take_substr(text, first, numbers[1], out);
    return EvalStatus::ok;
  }
  if (node.text == "nhash") {
    if (first <= 0 || numbers[1].value_or(1) <= 0) {
      return fail(context, "\"nhash\" needs numbers above 0");
    }
    take_nhash(text, first, numbers[1], out);
    return EvalStatus::ok;
  }
  std::string why;
  return take_hash(text, first, numbers[1], out, why) ? EvalStatus::ok : fail(context, why);
}

EvalStatus run_hmac(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  struct Algorithm {
    std::string_view name;
    const char* digest;
  };
  constexpr std::array<Algorithm, 2> kAlgorithms{{{"md5", "MD5"}, {"sha1", "SHA1"}}};
  for (const Algorithm& algorithm : kAlgorithms) {
    if (args[0].text != algorithm.name) continue;
    append_hex(hmac(algorithm.digest, args[1].text, args[2].text), false, out);
    return EvalStatus::ok;
  }
  return fail(context, "hmac algorithm \"" + args[0].text + "\" is not recognised");
}

// ${imapfolder{name}{separator}{specials}}: modified UTF-7, with dots for the separator.
EvalStatus run_imapfolder(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string charset = context.server == nullptr ? "UTF-8" : context.server->headers_charset;
  std::string name = args[0].text;
  if (!equals_ignore_case(charset, "UTF-8")) {
    name = convert_charset(name, charset, "UTF-8").value_or(name);
  }
  const char separator = args.size() > 1 && !args[1].text.empty() ? args[1].text.front() : '/';
  if (separator != '.' && name.find('.') != std::string::npos) {
    return fail(context, "imapfolder: illegal character '.'");
  }
  for (char& c : name) {
    if (c == separator) c = '.';
  }
  std::string specials = args.size() > 2 ? args[2].text : std::string();
  std::erase(specials, '.');
  out += imap_utf7(name, specials);
  context.tainted |= args[0].tainted;
  return EvalStatus::ok;
}

// ${listquote{separator}{item}}
EvalStatus run_listquote(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string& separator = args[0].text;
  for (char c : args[1].text) {
    const bool doubled = !separator.empty() && c == separator.front();
    out.append(doubled ? 2 : 1, c);
  }
  if (args[1].text.empty()) out += ' ';
  context.tainted |= args[1].tainted;
  return EvalStatus::ok;
}

EvalStatus run_headerwrap_item(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  std::array<std::optional<int64_t>, 2> numbers;
  for (size_t i = 0; i < 2; ++i) {
    status = read_number(args[i], false, node, context, numbers[i]);
    if (status != EvalStatus::ok) return status;
  }
  fold_header(args[2].text, static_cast<size_t>(numbers[0].value_or(80)),
              static_cast<size_t>(numbers[1].value_or(998)), out);
  context.tainted |= args[2].tainted;
  return EvalStatus::ok;
}

}  // namespace godwit::acl
