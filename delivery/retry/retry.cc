#include "delivery/retry/retry.h"

#include "core/base/ascii.h"

#include <algorithm>

namespace godwit::retry {
namespace {

bool matches_list(const acl::ListPattern& list, std::string_view text, acl::EvalContext& context) {
  return list.match({text, std::nullopt, {}}, context).match == acl::Match::yes;
}

// `pattern` is three characters, where x stands for any digit.
bool matches_code(std::string_view pattern, int code) {
  int weight = 100;
  for (char c : pattern) {
    if (c != 'x' && c - '0' != code / weight % 10) return false;
    weight /= 10;
  }
  return true;
}

int64_t interval_of(const RetryStep& step, int64_t last_interval, Random& random) {
  const int64_t first = step.interval.count;
  if (step.kind == RetryStep::Kind::fixed || last_interval < first) return first;
  // A factor below one never makes an interval shorter than the first.
  const int64_t grown = std::max(last_interval * step.factor_thousandths / 1000, first);
  if (step.kind == RetryStep::Kind::geometric || grown == first) return grown;
  return first + static_cast<int64_t>(random.below(static_cast<uint64_t>(grown - first) + 1));
}

}  // namespace

Seconds RetryRule::final_cutoff() const noexcept {
  Seconds last{};
  for (const RetryStep& step : steps_) last = std::max(last, step.cutoff);
  return last;
}

bool RetryRule::matches(const Failure& failure) const noexcept {
  if (any_error_) return true;
  // `timeout` is any timeout.
  const bool general_timeout =
      error_ == RetryError::timeout && failure.error == RetryError::timeout_connect;
  if (error_ != failure.error && !general_timeout) return false;
  if (host_source_ != HostSource::unknown && host_source_ != failure.host_source) return false;
  if (!smtp_digits_.empty() && !matches_code(smtp_digits_, failure.smtp_code)) return false;
  return error_ != RetryError::quota || failure.mailbox_idle >= mailbox_idle_;
}

bool RetryRule::matches_key(std::string_view key, acl::EvalContext& context) const {
  const bool is_host = key.find('@') == std::string_view::npos;
  return matches_list(*pattern_, is_host ? "*@" + std::string(key) : std::string(key), context);
}

const RetryRule* RetryRules::find(std::string_view key, std::string_view host,
                                  const Failure& failure, std::string_view sender,
                                  acl::EvalContext& context) const {
  for (const RetryRule& rule : rules_) {
    const bool key_fits =
        rule.matches_key(key, context) || (!host.empty() && rule.matches_key(host, context));
    if (!key_fits || !rule.matches(failure)) continue;
    if (rule.senders_ && !matches_list(*rule.senders_, sender, context)) continue;
    return &rule;
  }
  return nullptr;
}

NextAttempt next_attempt(WallTime first_failed, WallTime last_try, WallTime now,
                         const RetryRule& rule, Seconds interval_max, Random& random) {
  if (rule.steps().empty()) return {now, true};
  const int64_t failing = now.seconds() - first_failed.seconds();
  const auto step =
      std::find_if(rule.steps().begin(), rule.steps().end(),
                   [&](const RetryStep& candidate) { return failing < candidate.cutoff.count; });
  NextAttempt next;
  next.timed_out = step == rule.steps().end();
  // Past the end the last step goes on giving times, for messages that come later.
  const RetryStep& used = next.timed_out ? rule.steps().back() : *step;
  const int64_t last_interval =
      std::clamp<int64_t>(now.seconds() - last_try.seconds(), 0, interval_max.count);
  const int64_t interval = std::min(interval_of(used, last_interval, random), interval_max.count);
  next.at = now + Seconds{interval};
  return next;
}

}  // namespace godwit::retry
