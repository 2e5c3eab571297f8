#include "daemon/watchdog.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit::daemon {
namespace {

using Step = Watchdog::Step;

class WatchdogTest : public testing::Test {
 protected:
  // Looks every second; each look is a letter: "b" the worker has beaten, "." it has not. What was
  // to be done, as a letter each: - nothing, h hangs, g goes on, a abort, k kill.
  std::string steps(std::string_view looks) {
    std::string out;
    for (const char look : looks) {
      now_ = now_ + Millis{1000};
      if (look == 'b') ++beats_;
      out += "-hgak"[static_cast<size_t>(watchdog_.look(now_, beats_, limits_))];
    }
    return out;
  }

  WatchLimits limits_{Seconds{60}};
  Watchdog watchdog_;
  Instant now_{1'000'000};
  uint32_t beats_ = 7;
};

TEST_F(WatchdogTest, LimitsFollowFromThePatience) {
  EXPECT_EQ(limits_.interval.count, 1000);
  EXPECT_EQ(limits_.notice.count, 10'000);
  EXPECT_EQ(limits_.abort.count, 60'000);
  EXPECT_EQ(limits_.kill.count, 70'000);
  EXPECT_EQ(WatchLimits(Seconds{6}).interval.count, 100);
  EXPECT_EQ(WatchLimits(Seconds{3600}).interval.count, 1000);
  EXPECT_FALSE(WatchLimits(Seconds{0}).is_on());
}

TEST_F(WatchdogTest, ALoopThatTurnsIsLeftAlone) {
  EXPECT_EQ(steps("bbbbbb"), "------");
  EXPECT_EQ(steps("........."), "---------") << "nine seconds";
  EXPECT_EQ(steps("b........."), "----------") << "the time starts anew";
}

TEST_F(WatchdogTest, ASilentOneIsNoticedThenAbortedThenKilledEachOnce) {
  EXPECT_EQ(steps("b"), "-");
  EXPECT_EQ(steps(std::string(10, '.')), std::string(9, '-') + "h");
  EXPECT_EQ(steps(std::string(50, '.')), std::string(49, '-') + "a");
  EXPECT_EQ(steps(std::string(10, '.')), std::string(9, '-') + "k");
  EXPECT_EQ(steps(std::string(100, '.')), std::string(100, '-'));
}

TEST_F(WatchdogTest, OneThatGoesOnIsTakenBackAndMayHangAgain) {
  EXPECT_EQ(steps("b" + std::string(12, '.')), "-" + std::string(9, '-') + "h--");
  EXPECT_EQ(steps("b"), "g");
  EXPECT_EQ(watchdog_.silent().count, 12'000);
  EXPECT_EQ(steps(std::string(10, '.')), std::string(9, '-') + "h");
}

TEST_F(WatchdogTest, NobodyIsBlamedForTimeInWhichTheSupervisorStoodStillAsWell) {
  EXPECT_EQ(steps("b"), "-");
  now_ = now_ + Millis{3'600'000};
  EXPECT_EQ(steps("..."), "---");
  EXPECT_LE(watchdog_.silent().count, 4000);
}

TEST_F(WatchdogTest, WhoIsForgivenStartsAnew) {
  EXPECT_EQ(steps("b" + std::string(10, '.')), std::string(10, '-') + "h");
  watchdog_.forgive();
  EXPECT_EQ(steps(std::string(10, '.')), std::string(10, '-'));
  EXPECT_EQ(steps("."), "h");
}

}  // namespace
}  // namespace godwit::daemon
