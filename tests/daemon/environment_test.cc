#include "daemon/environment.h"

#include <gtest/gtest.h>

namespace godwit::daemon {
namespace {

TEST(Environment, IsKeptByNameSuffixAndExpression) {
  EXPECT_FALSE(keeps_variable("", "PATH"));
  EXPECT_TRUE(keeps_variable("PATH", "PATH"));
  EXPECT_FALSE(keeps_variable("PATH", "path"));
  EXPECT_FALSE(keeps_variable("PATH", "MYPATH"));
  EXPECT_TRUE(keeps_variable("*", "ANYTHING"));
  EXPECT_TRUE(keeps_variable("*_DIR", "MY_DIR"));
  EXPECT_FALSE(keeps_variable("*_DIR", "MY_DIRS"));
  EXPECT_TRUE(keeps_variable("TZ : ^LC_", "LC_ALL"));
  EXPECT_FALSE(keeps_variable("TZ : ^LC_", "XLC_ALL"));
  EXPECT_FALSE(keeps_variable("!LD_PRELOAD : *", "LD_PRELOAD"));
  EXPECT_TRUE(keeps_variable("!LD_PRELOAD : *", "HOME"));
  EXPECT_TRUE(keeps_variable("!LD_PRELOAD", "HOME"));
  EXPECT_FALSE(keeps_variable("^(", "HOME"));
}

}  // namespace
}  // namespace godwit::daemon
