// RetryKeeper: joins the retry rules with the hints. It is told of failures and successes and
// answers when a host, a message at a host, or an address may be tried again (EXIM.md 2.8, 2.9).
#pragma once

#include "core/base/random.h"
#include "delivery/retry/hints.h"
#include "delivery/retry/retry.h"

#include <optional>
#include <string>
#include <string_view>

namespace godwit::retry {

struct KeeperOptions {
  Seconds interval_max{86'400};  // retry_interval_max
  Seconds data_expire{604'800};  // retry_data_expire
};

class RetryKeeper {
 public:
  RetryKeeper(HintStore& hints, std::shared_ptr<const RetryRules> rules, KeeperOptions options,
              Random& random)
      : hints_(hints), rules_(std::move(rules)), options_(options), random_(random) {}

  // What is tried, and for which message.
  struct Subject {
    std::string_view key;       // of the hint
    std::string_view rule_key;  // domain or address that rules are looked up by
    std::string_view host;      // name of the host, where there is one
    std::string_view sender;
    WallTime received;     // when the message came: it is given up when it is older than the rule
    bool is_host = false;  // a failure says nothing of the message
  };
  struct Failed : Subject {
    Failure failure;
    int error_number = 0;
    std::string_view text;
    WallTime began;  // the attempt; what others found out since then is not news
    WallTime now;
  };
  struct Verdict {
    WallTime next_try;
    bool give_up = false;
    WallTime expires;      // when this message is older than the rule; 0: unknown
    WallTime retry_until;  // that, or the end of the rule where it comes earlier; 0: unknown
  };
  // Remembers the failure. give_up: no rule matches, or the rule has come to its end, for the
  // subject or for the message. What a message that is too old finds out before the time is not
  // remembered.
  Verdict failed(const Failed& failed);

  // How things are before an attempt.
  struct Standing {
    bool is_known = false;  // it failed lately
    bool waits = false;     // the next try is later, and the message is not older than the rule
    bool expired = false;   // the rule had come to its end at the last failure
    WallTime last_try;
    WallTime next_try;
    WallTime expires;
    WallTime retry_until;
  };
  Standing standing(const Subject& subject, WallTime now);

  // The record of `key` where it has one that is not outdated.
  std::optional<RetryRecord> find(std::string_view key, WallTime now);
  void succeeded(std::string_view key) { hints_.remove(key); }

 private:
  const RetryRule* rule_of(const Subject& subject, const Failure& failure, WallTime now) const;

  HintStore& hints_;
  std::shared_ptr<const RetryRules> rules_;
  KeeperOptions options_;
  Random& random_;
};

}  // namespace godwit::retry
