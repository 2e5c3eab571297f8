// Retry rules: when a delivery that failed for now is tried again, and when it is given up.
// Used by the queue. Immutable after load. EXIM.md 2.9. No clock: times are passed in.
#pragma once

#include "acl/expand/list_pattern.h"
#include "acl/lists/lists.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/config/diagnostics.h"
#include "core/config/document.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::retry {

inline constexpr size_t kStepsMax = 100;  // sets of one rule
inline constexpr size_t kRulesMax = 100'000;
inline constexpr int64_t kFactorThousandthsMax = 1'000'000;  // a thousandfold

// Why a delivery failed, as rules name it.
enum class RetryError : uint8_t {
  other,  // no rule names it; only `*` matches
  auth_failed,
  mail_4xx,  // with the code of the reply
  rcpt_4xx,
  data_4xx,
  lookup,
  lost_connection,
  quota,  // with the age of the mailbox
  refused,
  timeout,
  timeout_connect,
  tls_required,
};
// How the host was found.
enum class HostSource : uint8_t { unknown, mx, a };

struct Failure {
  RetryError error = RetryError::other;
  HostSource host_source = HostSource::unknown;
  int smtp_code = 0;       // of a 4xx error
  Seconds mailbox_idle{};  // of a quota error: since the mailbox was last read
  bool operator==(const Failure&) const = default;
};

struct RetryStep {
  enum class Kind : uint8_t { fixed, geometric, randomised };
  Kind kind = Kind::fixed;
  Seconds cutoff;    // since the first failure
  Seconds interval;  // the first one
  int64_t factor_thousandths = 0;
};

class RetryRule {
 public:
  const std::vector<RetryStep>& steps() const noexcept { return steps_; }
  // "pattern  error  F,2h,15m; G,16h,1h,1.5; ", as -brt shows it.
  const std::string& text() const noexcept { return text_; }
  // After the last cutoff; zero where a rule has no steps: never retried.
  Seconds final_cutoff() const noexcept;

 private:
  friend class RuleCompiler;
  bool matches(const Failure& failure) const noexcept;
  bool matches_key(std::string_view key, acl::EvalContext& context) const;
  friend class RetryRules;

  std::shared_ptr<const acl::ListPattern> pattern_;  // of addresses; a host is compared as *@host
  bool any_error_ = false;
  RetryError error_ = RetryError::other;
  HostSource host_source_ = HostSource::unknown;     // unknown: any
  std::string smtp_digits_;                          // "4xx", "45x", "452"
  Seconds mailbox_idle_{};                           // of quota_<time>
  std::shared_ptr<const acl::ListPattern> senders_;  // null: any
  std::vector<RetryStep> steps_;
  std::string text_;
};

struct NextAttempt {
  WallTime at;
  bool timed_out = false;  // the last cutoff has passed: give up, or try once more at `at`
};

class RetryRules {
 public:
  // `lists` must outlive the result.
  static std::shared_ptr<const RetryRules> compile(const config::ConfigDocument& document,
                                                   const acl::NamedLists& lists,
                                                   config::Diagnostics& diagnostics);
  // The first rule for `key` (a domain, a host name, or an address) after this failure of a message
  // from `sender`. `host` is compared too where it is not empty. Null: give up at once.
  const RetryRule* find(std::string_view key, std::string_view host, const Failure& failure,
                        std::string_view sender, acl::EvalContext& context) const;
  // What a rule with this error is about: "quota_3d", "rcpt_452", "refused_MX". Nothing for a word
  // that is none.
  static std::optional<Failure> failure_named(std::string_view word, const acl::NamedLists& lists);
  size_t size() const noexcept { return rules_.size(); }

 private:
  std::vector<RetryRule> rules_;
};

// When to try again. `last_try` is the time of the try before this one, and equal to `now` at the
// first failure: the time between them is the interval that G and H steps let grow. No interval is
// longer than `interval_max` (retry_interval_max).
NextAttempt next_attempt(WallTime first_failed, WallTime last_try, WallTime now,
                         const RetryRule& rule, Seconds interval_max, Random& random);

}  // namespace godwit::retry
