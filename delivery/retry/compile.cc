// The compiler of retry rules: `pattern error [senders=list] set; set ...`.
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/values.h"
#include "delivery/retry/retry.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::retry {
namespace {

using config::Diagnostics;
using config::did_you_mean;
using config::LocatedText;

struct ErrorRow {
  std::string_view name;
  RetryError error;
  bool host_source;  // may end with _MX or _A
  std::string_view doc;
};
// clang-format off
// name, error, may end with _MX or _A, documentation
constexpr auto kErrors = std::to_array<ErrorRow>({
    {"auth_failed", RetryError::auth_failed, false, "authentication to the remote host failed"},
    {"lookup", RetryError::lookup, false, "a DNS lookup could not be done"},
    {"lost_connection", RetryError::lost_connection, false, "the remote host closed the connection"},
    {"quota", RetryError::quota, false, "a mailbox is full"},
    {"refused", RetryError::refused, true, "the connection was refused"},
    {"timeout", RetryError::timeout, true, "any timeout"},
    {"timeout_connect", RetryError::timeout_connect, true, "a timeout while connecting"},
    {"tls_required", RetryError::tls_required, false, "TLS was required and not to be had"},
});
// Errors with the code of a reply: mail_4xx.
constexpr auto kReplyErrors = std::to_array<ErrorRow>({
    {"data_4", RetryError::data_4xx, false, "4xx to DATA or the message"},
    {"mail_4", RetryError::mail_4xx, false, "4xx to MAIL"},
    {"rcpt_4", RetryError::rcpt_4xx, false, "4xx to RCPT"},
});
// clang-format on

struct StepRow {
  char letter;
  RetryStep::Kind kind;
  bool factor;
};
constexpr auto kSteps = std::to_array<StepRow>({
    {'F', RetryStep::Kind::fixed, false},
    {'G', RetryStep::Kind::geometric, true},
    {'H', RetryStep::Kind::randomised, true},
});

}  // namespace

// One line.
class RuleCompiler {
 public:
  RuleCompiler(const LocatedText& line, const acl::NamedLists& lists, Diagnostics& diagnostics)
      : rest_(line), lists_(lists), diagnostics_(diagnostics) {}

  bool run(RetryRule& rule) {
    const LocatedText pattern = take_word();
    const LocatedText error = take_word();
    if (error.empty()) {
      return problem(rest_, 0, "an error is expected here, or * for any");
    }
    if (!take_pattern(pattern, rule) || !take_error(error, rule)) return false;
    if (rest_.view().starts_with("senders=") && !take_senders(rule)) return false;
    rule.text_ = pattern.text() + "  " + error.text() + "  ";
    return take_steps(rule);
  }

  // The text is the name of an error.
  std::optional<Failure> failure() {
    RetryRule rule;
    if (!take_error(rest_, rule) || rule.any_error_) return {};
    Failure out{rule.error_, rule.host_source_, 0, rule.mailbox_idle_};
    for (const char c : rule.smtp_digits_)
      out.smtp_code = out.smtp_code * 10 + (is_digit(c) ? c - '0' : 0);
    return out;
  }

 private:
  bool problem(const LocatedText& text, size_t offset, std::string message, std::string hint = {}) {
    diagnostics_.error(text.at(offset), std::move(message), std::move(hint));
    return false;
  }

  // Up to white space, or what stands between quotes.
  LocatedText take_word() {
    const std::string_view text = rest_.view();
    size_t end = 0;
    if (text.starts_with('"')) {
      end = 1;
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else {
      while (end < text.size() && !is_space(text[end])) ++end;
    }
    const LocatedText raw = rest_.substr(0, end);
    rest_ = rest_.substr(end).trimmed();
    std::optional<config::QuoteProblem> wrong;
    const LocatedText word = config::unquote(raw, wrong);
    if (wrong) problem(raw, wrong->offset, wrong->message);
    return word;
  }

  bool take_pattern(const LocatedText& pattern, RetryRule& rule) {
    // One item: a colon in it separates nothing.
    LocatedText list;
    list.append_fixed("<\n", pattern.begin_place());
    list.append(pattern);
    rule.pattern_ = lists_.compile(config::ListKind::address, list, {}, diagnostics_);
    return rule.pattern_ != nullptr;
  }

  bool take_error(const LocatedText& word, RetryRule& rule) {
    const std::string_view text = word.view();
    rule.any_error_ = text == "*";
    if (rule.any_error_ || take_reply_error(word, rule)) return !failed_;
    std::string_view base = text;
    for (const auto& [suffix, source] :
         {std::pair<std::string_view, HostSource>{"_MX", HostSource::mx}, {"_A", HostSource::a}}) {
      if (!base.ends_with(suffix)) continue;
      rule.host_source_ = source;
      base.remove_suffix(suffix.size());
    }
    if (base.starts_with("quota_")) return take_quota(word, rule);
    const ErrorRow* row = find_error(base);
    if (row != nullptr && (row->host_source || rule.host_source_ == HostSource::unknown)) {
      rule.error_ = row->error;
      return true;
    }
    std::vector<std::string_view> names;
    for (const ErrorRow& known : kErrors) names.push_back(known.name);
    return problem(word, 0, "unknown retry error " + quoted(text), did_you_mean(text, names));
  }

  // By its name, or by the start of one: old files have `tls`.
  static const ErrorRow* find_error(std::string_view name) {
    for (const ErrorRow& row : kErrors) {
      if (row.name == name) return &row;
    }
    for (const ErrorRow& row : kErrors) {
      if (name.size() >= 3 && row.name.starts_with(name)) return &row;
    }
    return nullptr;
  }

  // True where the word begins as one of these; failed_ says whether the rest is wrong.
  bool take_reply_error(const LocatedText& word, RetryRule& rule) {
    for (const ErrorRow& row : kReplyErrors) {
      if (!word.view().starts_with(row.name)) continue;
      const std::string_view digits = word.view().substr(row.name.size());
      const bool good = digits.size() == 2 && (is_digit(digits[0]) || digits == "xx") &&
                        (is_digit(digits[1]) || digits[1] == 'x');
      rule.error_ = row.error;
      rule.smtp_digits_ = "4" + std::string(digits);
      failed_ = !good;
      if (failed_) {
        problem(word, row.name.size(),
                quoted(row.name) +
                    " is followed by two digits, by a digit "
                    "and x, or by xx");
      }
      return true;
    }
    return false;
  }

  bool take_quota(const LocatedText& word, RetryRule& rule) {
    const Result<Seconds> time = config::parse_time(word.view().substr(6));
    if (!time) return problem(word, 6, time.error().detail());
    rule.error_ = RetryError::quota;
    rule.mailbox_idle_ = *time;
    return true;
  }

  bool take_senders(RetryRule& rule) {
    rest_ = rest_.substr(8);
    const LocatedText list = take_word();
    rule.senders_ = lists_.compile(config::ListKind::address, list, {}, diagnostics_);
    return rule.senders_ != nullptr;
  }

  bool take_steps(RetryRule& rule) {
    size_t begin = 0;
    while (begin < rest_.size()) {
      const size_t end = std::min(rest_.view().find(';', begin), rest_.size());
      const LocatedText step = rest_.substr(begin, end - begin).trimmed();
      begin = end + 1;
      if (step.empty()) continue;
      if (rule.steps_.size() >= kStepsMax) return problem(step, 0, "too many sets in one rule");
      if (!take_step(step, rule)) return false;
    }
    return true;
  }

  // F,cutoff,interval or G,cutoff,interval,factor.
  bool take_step(const LocatedText& text, RetryRule& rule) {
    std::vector<LocatedText> fields;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.view().find(',', begin), text.size());
      fields.push_back(text.substr(begin, end - begin).trimmed());
      begin = end + 1;
    }
    const std::string_view letter = fields[0].view();
    const auto row = std::find_if(kSteps.begin(), kSteps.end(), [&](const StepRow& candidate) {
      return letter.size() == 1 && to_upper(letter[0]) == candidate.letter;
    });
    if (row == kSteps.end()) return problem(fields[0], 0, "F, G or H is expected here");
    if (fields.size() != (row->factor ? 4u : 3u)) {
      return problem(text, 0,
                     row->factor ? "a cutoff, an interval and a factor are expected, with commas"
                                 : "a cutoff and an interval are expected, with a comma");
    }
    RetryStep step;
    step.kind = row->kind;
    if (!take_time(fields[1], step.cutoff) || !take_time(fields[2], step.interval)) return false;
    if (step.interval.count == 0) return problem(fields[2], 0, "the interval is zero");
    if (row->factor && !take_factor(fields[3], step)) return false;
    rule.steps_.push_back(step);
    rule.text_ += std::string(1, row->letter) + "," + format_interval(step.cutoff) + "," +
                  format_interval(step.interval);
    if (row->factor) rule.text_ += "," + fields[3].text();
    rule.text_ += "; ";
    return true;
  }

  bool take_time(const LocatedText& text, Seconds& out) {
    const Result<Seconds> time = config::parse_time(text.view());
    if (!time) return problem(text, 0, time.error().detail());
    out = *time;
    return true;
  }

  bool take_factor(const LocatedText& text, RetryStep& step) {
    const Result<int64_t> factor = config::parse_fixed(text.view());
    if (!factor) return problem(text, 0, factor.error().detail());
    if (*factor < 1000 || *factor > kFactorThousandthsMax) {
      return problem(text, 0, "the factor is out of range");
    }
    step.factor_thousandths = *factor;
    return true;
  }

  LocatedText rest_;
  const acl::NamedLists& lists_;
  Diagnostics& diagnostics_;
  bool failed_ = false;
};

std::optional<Failure> RetryRules::failure_named(std::string_view word,
                                                 const acl::NamedLists& lists) {
  Diagnostics problems;
  return RuleCompiler(LocatedText(std::string(word)), lists, problems).failure();
}

std::shared_ptr<const RetryRules> RetryRules::compile(const config::ConfigDocument& document,
                                                      const acl::NamedLists& lists,
                                                      Diagnostics& diagnostics) {
  auto rules = std::make_shared<RetryRules>();
  for (const LocatedText& line : document.retry) {
    if (rules->rules_.size() >= kRulesMax) {
      diagnostics.error(line.begin_place(), "too many retry rules");
      break;
    }
    RetryRule rule;
    if (RuleCompiler(line, lists, diagnostics).run(rule)) rules->rules_.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace godwit::retry
