// Operators on text.
#include "acl/expand/arguments.h"
#include "acl/expand/list_text.h"
#include "acl/expand/operator_checks.h"
#include "acl/expand/operators.h"
#include "acl/expand/parser.h"
#include "acl/expand/services.h"
#include "acl/lookup/lookup.h"
#include "core/base/ascii.h"

#include <algorithm>

namespace godwit::acl {
namespace {

void append_octal(unsigned char byte, std::string& out) {
  out += '\\';
  out += static_cast<char>('0' + (byte >> 6));
  out += static_cast<char>('0' + ((byte >> 3) & 7));
  out += static_cast<char>('0' + (byte & 7));
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::optional<ListKind> kind_of(std::string_view word) {
  if (word == "d") return ListKind::domain;
  if (word == "h") return ListKind::host;
  if (word == "a") return ListKind::address;
  if (word == "l") return ListKind::local_part;
  return std::nullopt;
}

}  // namespace

EvalStatus op_lc(const Node&, std::string_view input, EvalContext&, std::string& out) {
  const size_t from = out.size();
  out += input;
  std::transform(out.begin() + static_cast<ptrdiff_t>(from), out.end(),
                 out.begin() + static_cast<ptrdiff_t>(from), [](char c) { return to_lower(c); });
  return EvalStatus::ok;
}

EvalStatus op_uc(const Node&, std::string_view input, EvalContext&, std::string& out) {
  const size_t from = out.size();
  out += input;
  std::transform(out.begin() + static_cast<ptrdiff_t>(from), out.end(),
                 out.begin() + static_cast<ptrdiff_t>(from), [](char c) { return to_upper(c); });
  return EvalStatus::ok;
}

EvalStatus op_length(const Node& node, std::string_view input, EvalContext&, std::string& out) {
  out += input.substr(0, static_cast<size_t>(std::max<int64_t>(node.numbers[0], 0)));
  return EvalStatus::ok;
}

EvalStatus op_substr(const Node& node, std::string_view input, EvalContext&, std::string& out) {
  std::optional<int64_t> length;
  if (node.number_count > 1) length = node.numbers[1];
  take_substr(input, node.numbers[0], length, out);
  return EvalStatus::ok;
}

// A negative start counts from the end; without a length, what follows the start, or, for a
// negative one, what is before it.
void take_substr(std::string_view input, int64_t start, std::optional<int64_t> length,
                 std::string& out) {
  const auto size = static_cast<int64_t>(input.size());
  int64_t wanted = length.value_or(size);
  if (start < 0) {
    start += size;
    if (!length) {
      wanted = start;
      start = 0;
    } else if (start < 0) {
      wanted += start;
      start = 0;
    }
  }
  start = std::min(start, size);
  wanted = std::clamp<int64_t>(wanted, 0, size - start);
  out += input.substr(static_cast<size_t>(start), static_cast<size_t>(wanted));
}

EvalStatus op_escape(const Node&, std::string_view input, EvalContext&, std::string& out) {
  constexpr std::string_view kControls = "\b\f\n\r\v";
  constexpr std::string_view kLetters = "bfnrv";
  for (char c : input) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
      continue;
    }
    const size_t known = kControls.find(c);
    if (known != std::string_view::npos) {
      out += '\\';
      out += kLetters[known];
    } else if (c != '\t') {
      append_octal(byte, out);
    } else {
      out += c;
    }
  }
  return EvalStatus::ok;
}

EvalStatus op_escape8bit(const Node&, std::string_view input, EvalContext&, std::string& out) {
  for (char c : input) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x7f || c == '\\') {
      append_octal(byte, out);
    } else {
      out += c;
    }
  }
  return EvalStatus::ok;
}

EvalStatus op_hexquote(const Node&, std::string_view input, EvalContext&, std::string& out) {
  for (char c : input) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += kHexDigits[byte >> 4];
      out += kHexDigits[byte & 15];
    }
  }
  return EvalStatus::ok;
}

// "..." where there is anything but letters, digits and "_-.", or nothing at all.
EvalStatus op_quote(const Node& node, std::string_view input, EvalContext& context,
                    std::string& out) {
  if (node.text != "quote") return op_quote_lookup(node, input, context, out);
  const bool plain = !input.empty() && std::all_of(input.begin(), input.end(), [](char c) {
    return is_alnum(c) || c == '_' || c == '-' || c == '.';
  });
  if (plain) {
    out += input;
    return EvalStatus::ok;
  }
  append_in_quotes(input, out);
  return EvalStatus::ok;
}

void append_in_quotes(std::string_view text, std::string& out) {
  const auto is_plain = [](char c) { return c != '\\' && c != '"' && c != '\n' && c != '\r'; };
  out += '"';
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find_if_not(at, text.end(), is_plain);
    out.append(at, end);
    at = end;
    if (at == text.end()) break;
    out += '\\';
    out += *at == '\n' ? 'n' : *at == '\r' ? 'r' : *at;
    ++at;
  }
  out += '"';
}

EvalStatus op_quote_lookup(const Node& node, std::string_view input, EvalContext& context,
                           std::string& out) {
  const LookupType* type = find_lookup_type(node.text);
  if (type == nullptr) return fail(context, "unknown lookup type \"" + node.text + "\"");
  std::string quoted_text;
  if (!quote_for_lookup(*type, input, quoted_text)) {
    out += input;
    return EvalStatus::ok;
  }
  out += quoted_text;
  return EvalStatus::ok;
}

bool check_quote_word(Node& node, std::string& why) {
  if (find_lookup_type(node.text) != nullptr) return true;
  why = "unknown lookup type \"" + node.text + "\"";
  return false;
}

EvalStatus op_rxquote(const Node&, std::string_view input, EvalContext&, std::string& out) {
  for (char c : input) {
    if (!is_alnum(c)) out += '\\';
    out += c;
  }
  return EvalStatus::ok;
}

EvalStatus op_strlen(const Node&, std::string_view input, EvalContext&, std::string& out) {
  append_decimal(out, input.size());
  return EvalStatus::ok;
}

// headerwrap_WIDTH_LIMIT
EvalStatus op_headerwrap(const Node& node, std::string_view input, EvalContext&, std::string& out) {
  const size_t width = node.number_count > 0 ? static_cast<size_t>(node.numbers[0]) : 80;
  const size_t limit = node.number_count > 1 ? static_cast<size_t>(node.numbers[1]) : 998;
  fold_header(input, width, limit, out);
  return EvalStatus::ok;
}

// Lines of at most `width`, broken at the last blank or comma that fits; words over it are cut only
// at `limit`. Lines after the first begin with a tab.
void fold_header(std::string_view text, size_t width, size_t limit, std::string& out) {
  constexpr std::string_view kBreak = "\n\t";
  if (width == 0 || limit == 0) {
    out += text;
    return;
  }
  bool first = true;
  while (!text.empty()) {
    const size_t room = std::max<size_t>(first ? width : width - 1, 1);
    size_t take = text.size();
    if (text.size() > room) {
      const size_t cut = text.substr(0, room + 1).find_last_of(" ,");
      const size_t later = text.find_first_of(" ,", room);
      take = cut != std::string_view::npos && cut > 0 ? cut : std::min(later, text.size());
      if (take < text.size() && text[take] == ',') ++take;
      take = std::clamp<size_t>(take, 1, std::max<size_t>(limit - 1, 1));
    }
    if (!first) out += kBreak;
    out += text.substr(0, take);
    text.remove_prefix(take);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    first = false;
  }
}

EvalStatus op_expand(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  if (context.tainted) {
    return fail(context, "attempt to expand tainted string '" + std::string(input) + "'");
  }
  const DepthGuard guard(context);
  if (guard.too_deep()) return fail(context, "the expansion is nested too deeply");
  const Result<Expansion> inner = compile_expansion(input, run_time_options(context));
  const std::string where = "internal expansion of \"" + std::string(input) + "\" failed: ";
  if (!inner) return fail(context, where + inner.error().detail());
  EvalResult result = inner->evaluate(context);
  if (!result.ok()) {
    const bool forced = result.status == EvalStatus::forced_fail;
    context.error = forced ? std::move(result.text) : where + result.text;
    return result.status;
  }
  context.tainted |= result.tainted;
  out += result.text;
  return EvalStatus::ok;
}

bool check_expand(Parser& parser, Node& node) {
  parser.check_taint(node.parts[0], "as text to expand", parser.offset() - 1);
  return true;
}

EvalStatus op_listcount(const Node&, std::string_view input, EvalContext&, std::string& out) {
  ListReader reader(input);
  std::string_view item;
  size_t count = 0;
  while (reader.next(item)) ++count;
  append_decimal(out, count);
  return EvalStatus::ok;
}

bool check_listnamed_word(Node& node, std::string& why) {
  if (kind_of(node.text)) return true;
  why = "bad suffix on \"list\" operator";
  return false;
}

EvalStatus op_listnamed(const Node& node, std::string_view input, EvalContext& context,
                        std::string& out) {
  const ListCompiler* lists = context.services == nullptr ? nullptr : context.services->lists;
  if (lists == nullptr) return fail(context, "named lists are not known here");
  if (input.starts_with('+')) input.remove_prefix(1);
  const std::optional<ListKind> wanted = kind_of(node.text);
  for (ListKind kind :
       {ListKind::address, ListKind::domain, ListKind::host, ListKind::local_part}) {
    if (wanted && *wanted != kind) continue;
    if (const std::optional<std::string> text = lists->text_of(kind, input)) {
      out += *text;
      return EvalStatus::ok;
    }
  }
  const std::string kind =
      wanted ? std::string(config::list_kind_name(*wanted)) + " named list" : "named list";
  return fail(context, "\"" + std::string(input) + "\" is not a " + kind);
}

// RFC 3461 4.
EvalStatus op_xtextd(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  for (size_t i = 0; i < input.size(); ++i) {
    if (input[i] != '+') {
      out += input[i];
      continue;
    }
    if (i + 2 >= input.size() || !is_hex(input[i + 1]) || !is_hex(input[i + 2])) {
      return fail(context, "string \"" + std::string(input) + "\" is not xtext");
    }
    out += static_cast<char>(hex_value(input[i + 1]) * 16 + hex_value(input[i + 2]));
    i += 2;
  }
  return EvalStatus::ok;
}

}  // namespace godwit::acl
