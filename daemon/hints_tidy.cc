#include "daemon/hints_tidy.h"

#include "acl/policy/rates.h"
#include "acl/policy/seen.h"
#include "daemon/callout_record.h"
#include "delivery/queue/host_claim.h"
#include "delivery/retry/hints.h"

#include <string>
#include <utility>

namespace godwit::daemon {
namespace {

// A start is a busy time; and a server that is restarted now and then is tidied all the same.
constexpr Seconds kFirstAfter{600};
constexpr Seconds kInterval{86'400};
constexpr size_t kRecordsPerTurn = 200;

class OlderThan final : public hints::Database::Judge {
 public:
  OlderThan(const TidiedHints& hints, WallTime now)
      : hints_(hints), oldest_{now.micros - hints.keep.count * 1'000'000} {}

  bool is_outdated(std::string_view key, std::string_view value) override {
    const std::optional<WallTime> changed = hints_.changed_at(key, value);
    return !changed || *changed < oldest_;
  }

 private:
  const TidiedHints& hints_;
  WallTime oldest_;
};

}  // namespace

std::optional<WallTime> retry_changed_at(std::string_view key, std::string_view value) {
  if (key.starts_with(delivery::kClaimPrefix)) return delivery::HostClaim::taken_at(value);
  const std::optional<retry::RetryRecord> record = retry::decode_record(value);
  if (!record) return std::nullopt;
  return record->last_try;
}

std::optional<WallTime> rate_changed_at(std::string_view, std::string_view value) {
  const std::optional<acl::RateRecord> record = acl::decode_rate(value);
  if (!record) return std::nullopt;
  return record->updated;
}

std::optional<WallTime> seen_changed_at(std::string_view, std::string_view value) {
  return acl::decode_seen(value);
}

std::optional<WallTime> callout_changed_at(std::string_view, std::string_view value) {
  return callout_asked_at(value);
}

Task<void> HintsTidy::run() {
  Millis pause = kFirstAfter;
  for (;;) {
    const bool goes_on = co_await Sleep(loop_.timers(), pause, &cancel_);
    if (!goes_on) co_return;
    for (const TidiedHints& hints : databases_) co_await tidy(hints);
    pause = kInterval;
  }
}

Task<void> HintsTidy::tidy(const TidiedHints& hints) {
  OlderThan judge(hints, loop_.clock().wall());
  std::string from;
  while (!cancel_.is_cancelled()) {
    Result<hints::Database::Swept> swept = hints.database->sweep(from, kRecordsPerTurn, judge);
    if (!swept) co_return;
    removed_ += swept->removed;
    if (!swept->next) co_return;
    from = std::move(*swept->next);
    co_await yield(loop_);
  }
}

}  // namespace godwit::daemon
