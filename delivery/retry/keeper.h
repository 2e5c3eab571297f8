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

  struct Failed {
    std::string_view key;       // of the hint
    std::string_view rule_key;  // domain or address that rules are looked up by
    std::string_view host;      // name of the host, where there is one
    std::string_view sender;
    Failure failure;
    int error_number = 0;
    std::string_view text;
    WallTime received;  // when the message came: it is given up when it is older than the rule
    WallTime now;
  };
  struct Verdict {
    WallTime next_try;
    bool give_up = false;
  };
  // Remembers the failure. give_up: no rule matches, or the rule has come to its end.
  Verdict failed(const Failed& failed);

  // The record of `key` where it has one that is not outdated.
  std::optional<RetryRecord> find(std::string_view key, WallTime now);
  void succeeded(std::string_view key) { hints_.remove(key); }

 private:
  HintStore& hints_;
  std::shared_ptr<const RetryRules> rules_;
  KeeperOptions options_;
  Random& random_;
};

}  // namespace godwit::retry
