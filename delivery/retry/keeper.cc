#include "delivery/retry/keeper.h"

#include "acl/expand/context.h"

#include <algorithm>

namespace godwit::retry {

std::optional<RetryRecord> RetryKeeper::find(std::string_view key, WallTime now) {
  std::optional<RetryRecord> record = hints_.find(key);
  if (!record || now - record->last_try <= options_.data_expire) return record;
  return std::nullopt;
}

const RetryRule* RetryKeeper::rule_of(const Subject& subject, const Failure& failure,
                                      WallTime now) const {
  acl::EvalContext evaluation;
  evaluation.now = now;
  const RetryRule* rule =
      rules_->find(subject.rule_key, subject.host, failure, subject.sender, evaluation);
  return rule == nullptr || rule->steps().empty() ? nullptr : rule;
}

RetryKeeper::Verdict RetryKeeper::failed(const Failed& failed) {
  const std::optional<RetryRecord> before = find(failed.key, failed.now);
  const RetryRule* rule = rule_of(failed, failed.failure, failed.now);
  if (rule == nullptr) return {failed.now, true, {}, {}};

  RetryRecord record;
  record.first_failed = before ? before->first_failed : failed.now;
  // Where some messages get through and others do not, each success would set the clock back.
  if (!failed.is_host) record.first_failed = std::min(record.first_failed, failed.received);
  Verdict verdict;
  verdict.expires = failed.received + rule->final_cutoff();
  verdict.retry_until = std::min(verdict.expires, record.first_failed + rule->final_cutoff());
  const bool is_old = failed.now >= verdict.expires;
  const bool is_known = before && failed.began.micros != 0 && before->last_try >= failed.began;
  if (before && before->next_try > failed.now && (is_old || is_known)) {
    verdict.next_try = before->next_try;
    verdict.give_up = is_old || before->expired;
    return verdict;
  }
  // Gaps grow from what was planned, or from what was, where that is shorter.
  int64_t gap = 0;
  if (before)
    gap = std::min(before->next_try.seconds(), failed.now.seconds()) - before->last_try.seconds();
  const NextAttempt next = next_attempt(
      record.first_failed, WallTime::from_seconds(failed.now.seconds() - std::max<int64_t>(0, gap)),
      failed.now, *rule, options_.interval_max, random_);
  record.last_try = failed.now;
  record.next_try = next.at;
  record.expired = next.timed_out;
  record.error_number = failed.error_number;
  record.failure = failed.failure;
  record.text = failed.text;
  hints_.put(failed.key, record);
  verdict.next_try = next.at;
  verdict.give_up = next.timed_out || is_old;
  return verdict;
}

RetryKeeper::Standing RetryKeeper::standing(const Subject& subject, WallTime now) {
  Standing out;
  const std::optional<RetryRecord> record = find(subject.key, now);
  if (!record) return out;
  out.is_known = true;
  out.expired = record->expired;
  out.last_try = record->last_try;
  out.next_try = record->next_try;
  const RetryRule* rule = rule_of(subject, record->failure, now);
  if (rule != nullptr) {
    out.expires = subject.received + rule->final_cutoff();
    out.retry_until = std::min(out.expires, record->first_failed + rule->final_cutoff());
  }
  out.waits = record->next_try > now && (rule == nullptr || now < out.expires);
  return out;
}

}  // namespace godwit::retry
