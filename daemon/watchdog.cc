#include "daemon/watchdog.h"

#include <algorithm>
#include <utility>

namespace godwit::daemon {
namespace {

// Of worker_patience.
constexpr int64_t kNoticeShare = 6;
constexpr int64_t kBeatShare = 60;
constexpr Millis kIntervalMin{100};
constexpr Millis kIntervalMax{1000};

}  // namespace

WatchLimits::WatchLimits(Seconds patience) noexcept {
  if (patience.count <= 0) return;
  abort = patience;
  notice = Millis{abort.count / kNoticeShare};
  kill = Millis{abort.count + notice.count};
  interval = std::clamp(Millis{abort.count / kBeatShare}, kIntervalMin, kIntervalMax);
}

Watchdog::Step Watchdog::look(Instant now, uint32_t beats, const WatchLimits& limits) noexcept {
  const Millis since = std::min(now - looked_at_, Millis{2 * limits.interval.count});
  looked_at_ = now;
  const bool is_first = stage_ == Stage::unknown;
  if (!is_first && beats == beats_) {
    silent_.count += since.count;
    return next_step(limits);
  }
  beats_ = beats;
  was_silent_ = std::exchange(silent_, {});
  const Stage before = std::exchange(stage_, Stage::turns);
  return before == Stage::hangs || before == Stage::aborted ? Step::goes_on : Step::none;
}

Watchdog::Step Watchdog::next_step(const WatchLimits& limits) noexcept {
  if (stage_ == Stage::turns && silent_ >= limits.notice) {
    stage_ = Stage::hangs;
    return Step::hangs;
  }
  if (stage_ == Stage::hangs && silent_ >= limits.abort) {
    stage_ = Stage::aborted;
    return Step::abort;
  }
  if (stage_ == Stage::aborted && silent_ >= limits.kill) {
    stage_ = Stage::killed;
    return Step::kill;
  }
  return Step::none;
}

void Watchdog::forgive() noexcept {
  stage_ = Stage::unknown;
  silent_ = {};
}

}  // namespace godwit::daemon
