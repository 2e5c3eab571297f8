#include "daemon/command_brake.h"

#include <gtest/gtest.h>

namespace godwit::daemon {
namespace {

TEST(CommandBrake, DelaysGrowFromTheThresholdToTheLongest) {
  const Result<CommandBrake> brake = parse_command_brake(" 2 , 0.5s, 2 ,4m");
  ASSERT_TRUE(brake.has_value());
  EXPECT_EQ(brake_delay(*brake, 1).count, 0);
  EXPECT_EQ(brake_delay(*brake, 2).count, 0);
  EXPECT_EQ(brake_delay(*brake, 3).count, 500);
  EXPECT_EQ(brake_delay(*brake, 4).count, 1000);
  EXPECT_EQ(brake_delay(*brake, 5).count, 2000);
  EXPECT_EQ(brake_delay(*brake, 4'000'000'000u).count, 240'000);
  EXPECT_EQ(brake_delay(CommandBrake(), 9).count, 0);
}

TEST(CommandBrake, RefusesWhatIsNone) {
  for (const char* text : {"", "2", "2,0.5s,1.05", "0,1s,2,4m", "2,x,2,4m", "2,1s,0.5,4m",
                           "2,1s,2,4y", "2,1s,2x,4m", "2,1s,2,4m,5", "-1,1s,2,4m", "2,,2,4m"}) {
    EXPECT_FALSE(parse_command_brake(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace godwit::daemon
