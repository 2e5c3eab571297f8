#include "core/io/event.h"
#include "core/io/loop.h"
#include "core/io/scope.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit {
namespace {

constexpr WallTime kStart{1'767'225'600'000'000};

Task<void> sleep_days(Loop& loop, int days, std::string& told) {
  Sleep sleep(loop.timers(), Seconds{days * 86'400});
  co_await sleep;
  told += std::to_string(days);
}

Task<void> work(Loop& loop, std::string& told) {
  auto job = blocking(loop, [] { return 1; });
  const int done = co_await job;
  told += done == 1 ? "done" : "?";
}

TEST(VirtualTime, DaysPassAtOnceInTheOrderOfTheirTimers) {
  ManualClock clock(kStart);
  Loop loop({clock});
  std::string told;
  Scope scope;
  scope.spawn(sleep_days(loop, 7, told));
  scope.spawn(sleep_days(loop, 1, told));
  while (scope.running() > 0) loop.run_once();
  EXPECT_EQ(told, "17");
  EXPECT_EQ((clock.wall() - kStart).count, 7 * 86'400'000LL);
}

TEST(VirtualTime, JobsTakeTheTimeThatTheyAreSaidToTake) {
  ManualClock clock(kStart);
  Loop loop({clock, Millis{5}});
  std::string told;
  Scope scope;
  scope.spawn(work(loop, told));
  EXPECT_EQ(told, "");
  EXPECT_EQ(loop.jobs_in_flight(), 1U);
  while (scope.running() > 0) loop.run_once();
  EXPECT_EQ(told, "done");
  EXPECT_EQ((clock.wall() - kStart).count, 5);
}

TEST(VirtualTime, TheEndOfATurnComesBeforeTimePasses) {
  ManualClock clock(kStart);
  Loop loop({clock});
  struct Seen {
    const Clock& clock;
    WallTime at;
  } seen{clock, {}};
  TurnEnd hook(
      [](void* self) noexcept {
        auto* into = static_cast<Seen*>(self);
        into->at = into->clock.wall();
      },
      &seen);
  TimerNode timer([](void*) noexcept {}, nullptr);
  loop.timers().set(timer, clock.now() + Seconds{60});
  loop.at_turn_end(hook);
  loop.run_once();
  EXPECT_EQ(seen.at, kStart);
  loop.run_once();
  EXPECT_EQ((clock.wall() - kStart).count, 60'000);
}

}  // namespace
}  // namespace godwit
