#include "delivery/rewrite/rewrite.h"

#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "protocol/message/address_list.h"
#include "protocol/message/header_fields.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::rewrite {
namespace {

struct FieldRow {
  std::string_view name;
  Place place;
};

// Places as log lines name them.
constexpr std::array kPlaceNames{
    FieldRow{"sender:", kSender},
    FieldRow{"from:", kFrom},
    FieldRow{"to:", kTo},
    FieldRow{"cc:", kCc},
    FieldRow{"bcc:", kBcc},
    FieldRow{"reply-to:", kReplyTo},
    FieldRow{"env-from", kEnvelopeFrom},
    FieldRow{"env-to", kEnvelopeTo},
    FieldRow{"smtp recipient", kSmtp},
};

std::string change_text(std::string_view before, Place place, std::string_view after,
                        std::ptrdiff_t rule) {
  std::string out = "\"" + std::string(before) + "\" from ";
  for (const FieldRow& row : kPlaceNames) {
    if (row.place == place) out += row.name;
  }
  return out + " rewritten as \"" + std::string(after) + "\" by rule " + std::to_string(rule);
}
constexpr std::array kFields{
    FieldRow{"sender", kSender}, FieldRow{"from", kFrom}, FieldRow{"to", kTo},
    FieldRow{"cc", kCc},         FieldRow{"bcc", kBcc},   FieldRow{"reply-to", kReplyTo},
};

// The facts that $local_part and $domain come from, in place of what the context had.
class AddressScope {
 public:
  AddressScope(acl::EvalContext& context, std::string_view address)
      : context_(context), before_(context.address), captures_(std::move(context.captures)) {
    const message::AddressParts parts = message::split_address(address);
    facts_.local_part = parts.local_part;
    facts_.domain = parts.domain;
    context_.address = &facts_;
    context_.captures.clear();
  }
  ~AddressScope() {
    context_.address = before_;
    context_.captures = std::move(captures_);
  }
  AddressScope(const AddressScope&) = delete;
  AddressScope& operator=(const AddressScope&) = delete;

 private:
  acl::EvalContext& context_;
  const acl::AddressFacts* before_;
  acl::Captures captures_;
  acl::AddressFacts facts_;
};

// What takes the place of an address in the body of a field.
struct Replacement {
  std::string text;
  bool whole = false;  // of the item: with its display name and comments
};

// The body with what `replace(address)` gives for its addresses.
template <class Replace>
std::optional<std::string> replace_addresses(std::string_view body, Replace replace) {
  const Result<message::AddressList> list =
      message::parse_address_list(body, message::Utf8::allowed);
  if (!list) return std::nullopt;
  std::string out;
  size_t copied = 0;
  for (const message::ListedAddress& address : list->addresses) {
    if (!address.has_domain) continue;
    const std::optional<Replacement> other = replace(address.address);
    if (!other) continue;
    const size_t from = other->whole ? address.item_offset : address.spec_offset;
    out += body.substr(copied, from - copied);
    out += other->text;
    copied = from + (other->whole ? address.item_bytes : address.spec_bytes);
  }
  if (copied == 0) return std::nullopt;
  return out.append(body.substr(copied));
}

// The section with what `rewrite_body(body, place)` gives for its fields that have a place.
template <class RewriteBody>
std::optional<std::string> rewrite_fields(std::string_view section, RewriteBody rewrite_body) {
  std::string out;
  bool changed = false;
  while (!section.empty()) {
    const std::string_view field = section.substr(0, message::field_bytes(section));
    section.remove_prefix(field.size());
    const size_t colon = std::min(field.find(':'), field.size());
    const uint16_t place = place_of_field(trim_right(field.substr(0, colon)));
    std::optional<std::string> body;
    if (place != 0 && colon < field.size())
      body = rewrite_body(field.substr(colon + 1), static_cast<Place>(place));
    out += body ? field.substr(0, colon + 1) : field;
    if (body) out += *body;
    changed = changed || body.has_value();
  }
  if (!changed) return std::nullopt;
  return out;
}

// What a list leaves in $1 ... is not what the rule's own wildcards stand for.
bool is_in(const acl::ListPattern& list, std::string_view text, acl::EvalContext& context) {
  acl::Captures kept = std::exchange(context.captures, {});
  const acl::ListMatch found = list.match({text, std::nullopt, {}}, context);
  context.captures = std::move(kept);
  return found.match == acl::Match::yes;
}

}  // namespace

uint16_t place_of_field(std::string_view name) noexcept {
  constexpr std::string_view kResent = "resent-";
  if (starts_with_ignore_case(name, kResent)) name.remove_prefix(kResent.size());
  for (const FieldRow& row : kFields) {
    if (equals_ignore_case(row.name, name)) return row.place;
  }
  return 0;
}

bool RewriteRules::has(uint16_t places) const noexcept {
  return std::any_of(rules_.begin(), rules_.end(),
                     [places](const Rule& rule) { return (rule.places & places) != 0; });
}

// $0 is the address, $1 ... what wildcards or groups stand for.
bool RewriteRules::matches(const Rule& rule, std::string_view address, acl::EvalContext& context) {
  acl::Captures& captures = context.captures;
  captures.clear();
  if (rule.regex) {
    const Result<bool> found = rule.regex->search(address, &captures);
    if (!found || !*found) return false;
    captures.replace_first(address);
    return true;
  }
  captures.add(address);
  context.captures_tainted = true;
  if (rule.whole_pattern != nullptr) {
    return is_in(*rule.whole_pattern, address, context);
  }
  if (!rule.has_local) return false;
  const message::AddressParts parts = message::split_address(address);
  if (rule.local_is_wild) {
    if (!parts.local_part.ends_with(rule.local)) return false;
    captures.add(parts.local_part.substr(0, parts.local_part.size() - rule.local.size()));
  } else if (parts.local_part != rule.local) {
    return false;
  }
  if (rule.domain_is_wild) {
    if (!ends_with_ignore_case(parts.domain, rule.domain_tail)) return false;
    captures.add(parts.domain.substr(0, parts.domain.size() - rule.domain_tail.size()));
    return true;
  }
  if (rule.domain == nullptr) return false;
  const std::string domain = to_lower(parts.domain);
  return is_in(*rule.domain, domain, context);
}

RewriteRules::Applied RewriteRules::apply(const Rule& rule, Place place, std::string& address,
                                          Rewritten& out, acl::EvalContext& context) const {
  const AddressScope scope(context, place == kSmtp ? std::string_view() : address);
  if (!matches(rule, address, context)) return Applied::no;
  if (rule.protects) return Applied::protects;
  const acl::EvalResult text = rule.replacement.evaluate(context);
  if (text.status == acl::EvalStatus::forced_fail) return Applied::matched;
  if (!text.ok()) {
    out.problem = "Expansion of " + std::string(rule.replacement.source()) +
                  " failed while rewriting: " + text.text;
    return Applied::failed;
  }
  const Result<message::ListedAddress> parsed =
      message::parse_address(text.text, message::Utf8::allowed, false);
  if (!parsed || (!parsed->has_domain && !rule.allows_unqualified)) {
    out.problem = "Rewrite of " + address + " yielded unparseable address: " +
                  (parsed ? "domain missing or malformed" : parsed.error().detail()) +
                  " in address " + text.text;
    return Applied::failed;
  }
  std::string result = parsed->address;
  if (!parsed->has_domain && context.server != nullptr)
    result += "@" + context.server->qualify_recipient;
  out.whole = rule.whole;
  out.changed = true;
  out.address = rule.whole ? text.text : result;
  address = std::move(result);
  return Applied::rewritten;
}

Rewritten RewriteRules::rewrite(std::string_view address, Place place,
                                acl::EvalContext& context) const {
  Rewritten out;
  std::string current(address);
  for (const Rule& rule : rules_) {
    if ((rule.places & place) == 0) continue;
    Applied applied = Applied::no;
    bool done = false;
    for (int i = 0; i <= kRepeatsMax; ++i) {
      const std::string before = current;
      applied = apply(rule, place, current, out, context);
      if (applied == Applied::rewritten) {
        acl::tell(context.trace,
                  {acl::TraceKind::rewrite, rule.replacement.source(), before, current, {}});
        out.changes.push_back(change_text(before, place, out.whole ? out.address : current,
                                          &rule - rules_.data() + 1));
      }
      if (applied == Applied::rewritten && rule.repeats && i == kRepeatsMax)
        out.problem = "rewrite rule repeat ignored after " + std::to_string(kRepeatsMax) + " times";
      if (applied == Applied::protects || applied == Applied::failed) done = true;
      if (rule.stops && (applied == Applied::rewritten || applied == Applied::matched)) done = true;
      if (applied != Applied::rewritten || !rule.repeats) break;
    }
    if (applied == Applied::failed) {
      out.changed = false;
      break;
    }
    if (done) break;
  }
  // An envelope has the working part alone.
  const bool is_header = (place & kHeaders) != 0;
  if (!out.changed || !is_header || !out.whole) out.address = std::move(current);
  if (!out.changed) out.address = address;
  return out;
}

std::optional<std::string> RewriteRules::rewrite_field(std::string_view body, Place place,
                                                       acl::EvalContext& context,
                                                       RewriteNotes& notes) const {
  const auto replace = [&](std::string_view address) -> std::optional<Replacement> {
    Rewritten rewritten = rewrite(address, place, context);
    if (!rewritten.problem.empty()) notes.problems.push_back(std::move(rewritten.problem));
    for (std::string& change : rewritten.changes) notes.changes.push_back(std::move(change));
    if (!rewritten.changed) return std::nullopt;
    return Replacement{std::move(rewritten.address), rewritten.whole};
  };
  return replace_addresses(body, replace);
}

std::optional<std::string> RewriteRules::rewrite_headers(std::string_view section,
                                                         acl::EvalContext& context,
                                                         RewriteNotes& notes) const {
  if (!has(kHeaders)) return std::nullopt;
  return rewrite_fields(section, [&](std::string_view body, Place place) {
    return rewrite_field(body, place, context, notes);
  });
}

std::optional<std::string> change_domain(std::string_view section, std::string_view from,
                                         std::string_view to) {
  const auto replace = [&](std::string_view address) -> std::optional<Replacement> {
    const message::AddressParts parts = message::split_address(address);
    if (!equals_ignore_case(parts.domain, from)) return std::nullopt;
    return Replacement{std::string(parts.local_part) + "@" + std::string(to)};
  };
  return rewrite_fields(
      section, [&](std::string_view body, Place) { return replace_addresses(body, replace); });
}

}  // namespace godwit::rewrite
