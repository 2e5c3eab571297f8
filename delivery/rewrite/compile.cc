// Rewriting rules from their lines: pattern, replacement, flags.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/rewrite/rewrite.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::rewrite {
namespace {

struct PlaceRow {
  char flag;
  uint16_t places;
};
constexpr std::array kPlaces{
    PlaceRow{'E', kEnvelopeFrom | kEnvelopeTo},
    PlaceRow{'F', kEnvelopeFrom},
    PlaceRow{'S', kSmtp},
    PlaceRow{'T', kEnvelopeTo},
    PlaceRow{'b', kBcc},
    PlaceRow{'c', kCc},
    PlaceRow{'f', kFrom},
    PlaceRow{'h', kHeaders},
    PlaceRow{'r', kReplyTo},
    PlaceRow{'s', kSender},
    PlaceRow{'t', kTo},
};

// One word, or a string in double quotes with its escapes; `text` goes on after it.
config::LocatedText next_word(config::LocatedText& text, config::Diagnostics& diagnostics) {
  text = text.trimmed();
  const std::string_view view = text.view();
  size_t end = 0;
  if (view.starts_with('"')) {
    for (end = 1; end < view.size() && view[end] != '"'; ++end) {
      if (view[end] == '\\') ++end;
    }
    end = std::min(end + 1, view.size());
  } else {
    while (end < view.size() && !is_space(view[end])) ++end;
  }
  config::LocatedText word = text.substr(0, end);
  text = text.substr(end);
  if (!word.view().starts_with('"')) return word;
  std::optional<config::QuoteProblem> problem;
  config::LocatedText unquoted = config::unquote(word, problem);
  if (problem) diagnostics.error(word.at(problem->offset), problem->message);
  return unquoted;
}

}  // namespace

struct RuleCompiler {
  const acl::NamedLists& lists;
  config::Diagnostics& diagnostics;

  bool read_flags(const config::LocatedText& text, RewriteRules::Rule& rule) const {
    uint16_t places = 0;
    for (size_t at = 0; at < text.view().size(); ++at) {
      const char flag = text.view()[at];
      const auto* row = std::find_if(kPlaces.begin(), kPlaces.end(),
                                     [flag](const PlaceRow& r) { return r.flag == flag; });
      if (is_space(flag)) continue;
      if (row != kPlaces.end()) {
        places |= row->places;
      } else if (flag == 'Q') {
        rule.allows_unqualified = true;
      } else if (flag == 'q') {
        rule.stops = true;
      } else if (flag == 'R') {
        rule.repeats = true;
      } else if (flag == 'w') {
        rule.whole = true;
      } else {
        diagnostics.error(text.at(at), std::string("unknown rewrite flag '") + flag + "'",
                          "E F T S b c f h r s t, and Q q R w");
        return false;
      }
    }
    rule.places = places == 0 ? static_cast<uint16_t>(kEverywhere) : places;
    return true;
  }

  std::string constant_of(const config::LocatedText& text) const {
    const acl::CompileOptions options{&lists, false};
    const acl::Expansion expansion =
        acl::compile_expansion(text, options, diagnostics).value_or(acl::Expansion());
    return expansion.is_constant() ? std::string(expansion.constant()) : std::string();
  }

  void read_pattern(const config::LocatedText& text, RewriteRules::Rule& rule) const {
    const std::string pattern = constant_of(text);
    if (pattern.starts_with('^')) {
      Result<acl::Regex> regex = acl::Regex::compile(pattern, true);
      if (regex) {
        rule.regex = std::move(*regex);
      } else {
        diagnostics.error(text.begin_place(), regex.error().detail());
      }
      return;
    }
    const size_t at = pattern.rfind('@');
    const bool is_lookup = pattern.find(';') < at && at != std::string::npos;
    const size_t raw_at = text.view().rfind('@');
    if (pattern.empty() || pattern.starts_with('!') || pattern.starts_with('+') || is_lookup ||
        raw_at == std::string_view::npos || pattern.starts_with('@')) {
      rule.whole_pattern = lists.compile(config::ListKind::address, text, {}, diagnostics);
      return;
    }
    rule.has_local = true;
    rule.local = pattern.substr(0, at);
    rule.local_is_wild = rule.local.starts_with('*');
    if (rule.local_is_wild) rule.local.erase(0, 1);
    const std::string domain = pattern.substr(at + 1);
    if (domain.starts_with('*')) {
      rule.domain_is_wild = true;
      rule.domain_tail = domain.substr(1);
      return;
    }
    rule.domain = lists.compile(config::ListKind::domain, text.substr(raw_at + 1), {}, diagnostics);
  }

  void add(config::LocatedText line, std::vector<RewriteRules::Rule>& rules) const {
    const config::LocatedText pattern = next_word(line, diagnostics);
    const config::LocatedText replacement = next_word(line, diagnostics);
    if (pattern.view().empty() || replacement.view().empty()) {
      diagnostics.error(pattern.begin_place(), "a rewriting rule needs a pattern and a replacement",
                        "*@old.example $1@new.example Ffr");
      return;
    }
    RewriteRules::Rule& rule = rules.emplace_back();
    if (!read_flags(line, rule)) return;
    read_pattern(pattern, rule);
    if ((rule.places & kSmtp) != 0 && !rule.regex)
      diagnostics.error(pattern.begin_place(),
                        "the pattern of a rule with S is a regular expression", "^<(.*)!(.*)>");
    rule.protects = replacement.view() == "*";
    if (rule.protects) return;
    const acl::CompileOptions options{&lists, false};
    rule.replacement =
        acl::compile_expansion(replacement, options, diagnostics).value_or(acl::Expansion());
  }

  void add_all(const std::vector<config::LocatedText>& lines, RewriteRules& rules) const {
    for (const config::LocatedText& line : lines) {
      if (!line.trimmed().view().empty()) add(line, rules.rules_);
    }
  }
};

std::shared_ptr<const RewriteRules> RewriteRules::compile(const config::ConfigDocument& document,
                                                          const acl::NamedLists& lists,
                                                          config::Diagnostics& diagnostics) {
  auto rules = std::make_shared<RewriteRules>();
  RuleCompiler{lists, diagnostics}.add_all(document.rewrite, *rules);
  return rules;
}

std::shared_ptr<const RewriteRules> RewriteRules::compile_list(const config::LocatedText& list,
                                                               const acl::NamedLists& lists,
                                                               config::Diagnostics& diagnostics) {
  auto rules = std::make_shared<RewriteRules>();
  std::vector<config::LocatedText> lines;
  config::LocatedText line;
  const std::string_view text = list.view();
  for (size_t at = 0; at < text.size(); ++at) {
    const bool is_doubled = text[at] == ':' && text.substr(at + 1).starts_with(':');
    if (text[at] == ':' && !is_doubled) {
      lines.push_back(std::exchange(line, {}));
      continue;
    }
    line.append(text[at], list.at(at));
    if (is_doubled) ++at;
  }
  lines.push_back(std::move(line));
  RuleCompiler{lists, diagnostics}.add_all(lines, *rules);
  return rules;
}

}  // namespace godwit::rewrite
