// Items that are lookups: type;data in all kinds of lists, and @@type;data in address lists.
#include "acl/expand/arguments.h"
#include "acl/expand/expansion.h"
#include "acl/expand/services.h"
#include "acl/expand/traced_lookup.h"
#include "acl/lists/item.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/values.h"

#include <algorithm>
#include <cstdio>

namespace godwit::acl {
namespace {

ListMatch deferred(std::string why) {
  return {Match::defer, {}, std::move(why)};
}

// Keys of wildlsearch, expanded where the list is matched.
class ContextExpander final : public KeyExpander {
 public:
  explicit ContextExpander(EvalContext& context) : context_(context) {}
  Result<std::string> expand_key(std::string_view text) const override {
    const Result<Expansion> expansion = compile_expansion(text, run_time_options(context_));
    if (!expansion) return expansion.error();
    EvalResult value = expansion->evaluate(context_);
    if (!value.ok()) return Error(Errc::lookup_deferred, value.text);
    return std::move(value.text);
  }

 private:
  EvalContext& context_;
};

struct Found {
  std::optional<LookupAnswer> answer;
  std::string problem;  // not empty: could not be asked
};

Found ask(const ItemLookup& lookup, std::string_view key, EvalContext& context) {
  Lookups* lookups = context.services == nullptr ? nullptr : context.services->lookups;
  if (lookups == nullptr) return {{}, "lookups cannot be asked here"};
  const bool has_file = !lookup.spec.query_style;
  if (has_file && lookup.tainted) return {{}, "Tainted filename for search: '" + lookup.data + "'"};
  const ContextExpander expander(context);
  const LookupQuestion question{lookup.spec, has_file ? std::string_view(lookup.data) : "",
                                has_file ? key : std::string_view(lookup.data), &expander};
  Result<std::optional<LookupAnswer>> answer = find_traced(question, context);
  if (!answer) return {{}, answer.error().detail()};
  return {std::move(*answer), {}};
}

ItemAnswer answer_of(Found found) {
  if (!found.problem.empty()) return deferred(std::move(found.problem));
  if (!found.answer) return {};
  return ListMatch{Match::yes, std::move(found.answer->value), {}};
}

// The address as a key: IPv6 in full and with dots, unless the type knows addresses.
std::string address_key(const IpAddress& address, const ItemLookup& lookup) {
  const int bits_max = address.is_v6() ? 128 : 32;
  const int bits = lookup.mask_bits < 0 ? bits_max : std::min(lookup.mask_bits, bits_max);
  std::string bytes(address.bytes());
  for (int i = 0; i < bits_max / 8; ++i) {
    const int kept = std::clamp(bits - i * 8, 0, 8);
    const auto mask = static_cast<unsigned char>(0xff00u >> kept);
    auto& byte = bytes[static_cast<size_t>(i)];
    byte = static_cast<char>(static_cast<unsigned char>(byte) & mask);
  }
  std::string out;
  char part[8];
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const bool with_colons = lookup_type_name(*lookup.spec.type) == "iplsearch";
  for (size_t i = 0; i < bytes.size(); i += address.is_v6() ? 2 : 1) {
    if (!out.empty()) out += address.is_v6() && with_colons ? ':' : '.';
    if (address.is_v6()) {
      std::snprintf(part, sizeof part, "%02x%02x", byte(i), byte(i + 1));
    } else {
      std::snprintf(part, sizeof part, "%u", unsigned{byte(i)});
    }
    out += part;
  }
  if (lookup.mask_bits >= 0) out += "/" + std::to_string(bits);
  return out;
}

ItemAnswer look_host_up(const ItemLookup& lookup, const ItemSubject& subject,
                        EvalContext& context) {
  if (lookup.spec.query_style) return answer_of(ask(lookup, {}, context));
  // match_ip has nothing but an address.
  const auto& address = subject.subject.address;
  const bool has_name = subject.subject.is_client || !subject.subject.host_name.empty();
  if (lookup.by_address || !has_name) {
    if (!address) return {};
    return answer_of(ask(lookup, address_key(*address, lookup), context));
  }
  ItemAnswer answer;
  const auto names = host_names(subject, context, answer);
  if (!names) return answer;
  for (const std::string& name : *names) {
    answer = answer_of(ask(lookup, to_lower(name), context));
    if (answer.match.match != Match::no) return answer;
  }
  return answer;
}

// Whether one of the local part patterns of `text` matches, which `said` tells; `next` is the key
// after '>'.
enum class Chain : uint8_t { no, yes, refused, defer };
Chain match_local_parts(const std::string& text, const ListItem& item, const ItemSubject& local,
                        EvalContext& context, std::string& next, std::string& said) {
  std::vector<std::string> patterns = config::split_list(text);
  if (!patterns.empty() && patterns.back().starts_with('>')) {
    next = std::string(trim(std::string_view(patterns.back()).substr(1)));
    patterns.pop_back();
  }
  NoNames names;
  for (const std::string& pattern : patterns) {
    std::string_view rest = pattern;
    const bool negated = rest.starts_with('!');
    if (negated) rest = trim(rest.substr(1));
    ListItem part;
    ItemProblem wrong;
    const ItemOptions options{item.caseful, false, true};
    if (!compile_item(ListKind::local_part, rest, options, names, part, wrong)) {
      said = std::move(wrong.message);
      return Chain::defer;
    }
    const ItemAnswer answer = part.test(part, local, context);
    if (answer.match.match == Match::defer) {
      said = answer.match.message;
      return Chain::defer;
    }
    if (answer.match.match != Match::yes) continue;
    said = answer.match.data;
    return negated ? Chain::refused : Chain::yes;
  }
  return Chain::no;
}

// Takes "net-" or "net24-" off; -2: it is neither.
int take_net(std::string_view& text) {
  if (!text.starts_with("net")) return -2;
  std::string_view rest = text.substr(3);
  int bits = -1;
  if (!rest.empty() && is_digit(rest.front())) {
    bits = 0;
    while (!rest.empty() && is_digit(rest.front()) && bits <= 128) {
      bits = bits * 10 + (rest.front() - '0');
      rest.remove_prefix(1);
    }
  }
  if (!rest.starts_with('-')) return -2;
  text = rest.substr(1);
  return bits;
}

}  // namespace

bool looks_like_lookup(std::string_view text) noexcept {
  const size_t end = text.find(';');
  if (end == std::string_view::npos || end == 0) return false;
  std::string_view type = text.substr(0, end);
  type = type.substr(0, type.find(','));
  // "*@" ends a type; another '@' is that of an address.
  if (type.ends_with("*@")) type.remove_suffix(1);
  return !trim(type).empty() && is_alpha(trim(type).front()) &&
         std::all_of(type.begin(), type.end(), [](char c) {
           return is_alnum(c) || c == '-' || c == '*' || c == '_' || c == '.' || c == '(' ||
                  c == ')' || is_space(c);
         });
}

std::optional<ItemLookup> parse_item_lookup(ListKind kind, std::string_view text, bool tainted,
                                            ItemProblem& problem) {
  ItemLookup out;
  out.tainted = tainted;
  const size_t end = text.find(';');
  std::string_view type = trim(text.substr(0, end));
  out.data = std::string(trim(text.substr(end + 1)));
  if (kind == ListKind::host) {
    const int bits = take_net(type);
    out.by_address = bits != -2;
    out.mask_bits = std::max(bits, -1);
  }
  LookupProblem wrong;
  std::optional<LookupSpec> spec = parse_lookup_type(type, wrong);
  if (!spec) {
    problem = {std::move(wrong.message), std::move(wrong.hint), wrong.unavailable};
    return std::nullopt;
  }
  out.spec = std::move(*spec);
  if (out.data.empty()) {
    problem = {"a file or query is missing after " + quoted(text.substr(0, end + 1)), {}, false};
    return std::nullopt;
  }
  return out;
}

ItemAnswer test_lookup(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  const ItemLookup& lookup = *item.lookup;
  if (item.kind == ListKind::host) return look_host_up(lookup, subject, context);
  const bool has_key = !lookup.spec.query_style;
  if (has_key && subject.text.empty()) return {};
  ItemAnswer answer = answer_of(ask(lookup, item.caseful ? subject.text : subject.lower, context));
  if (answer.match.match == Match::yes) {
    context.captures.assign(subject.text);
    context.captures_tainted = true;
  }
  return answer;
}

ItemAnswer test_local_part_lookup(const ListItem& item, const ItemSubject& subject,
                                  EvalContext& context) {
  const size_t at = subject.text.rfind('@');
  if (at == std::string_view::npos) return {};
  const ItemSubject local{subject.subject, subject.text.substr(0, at), subject.lower.substr(0, at)};
  std::string key(subject.lower.substr(at + 1));
  for (int i = 0; i < kLocalPartChainMax; ++i) {
    Found found = ask(*item.lookup, key, context);
    if (!found.problem.empty()) return deferred(std::move(found.problem));
    if (!found.answer) return {};
    std::string next;
    std::string said;
    const Chain chain = match_local_parts(found.answer->value, item, local, context, next, said);
    if (chain == Chain::defer) return deferred(std::move(said));
    if (chain == Chain::yes) return ListMatch{Match::yes, std::move(said), {}};
    if (chain == Chain::refused || next.empty()) return {};
    key = std::move(next);
  }
  return deferred("loop detected in lookup of local parts of " +
                  quoted(subject.lower.substr(at + 1)));
}

}  // namespace godwit::acl
