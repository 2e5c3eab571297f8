#include "delivery/retry/keeper.h"

#include "acl/expand/context.h"

namespace godwit::retry {

std::optional<RetryRecord> RetryKeeper::find(std::string_view key, WallTime now) {
  std::optional<RetryRecord> record = hints_.find(key);
  if (!record || now - record->last_try <= options_.data_expire) return record;
  return std::nullopt;
}

RetryKeeper::Verdict RetryKeeper::failed(const Failed& failed) {
  const std::optional<RetryRecord> before = find(failed.key, failed.now);
  acl::EvalContext evaluation;
  evaluation.now = failed.now;
  const RetryRule* rule =
      rules_->find(failed.rule_key, failed.host, failed.failure, failed.sender, evaluation);
  if (rule == nullptr || rule->steps().empty()) return {failed.now, true};

  RetryRecord record;
  record.first_failed = before ? before->first_failed : failed.now;
  const WallTime last_try = before ? before->last_try : failed.now;
  const NextAttempt next = next_attempt(record.first_failed, last_try, failed.now, *rule,
                                        options_.interval_max, random_);
  record.last_try = failed.now;
  record.next_try = next.at;
  record.expired = next.timed_out;
  record.error_number = failed.error_number;
  record.text = failed.text;
  hints_.put(failed.key, record);
  const bool is_old = failed.now - failed.received > Millis(rule->final_cutoff());
  return {next.at, next.timed_out || is_old};
}

}  // namespace godwit::retry
