#include "daemon/environment.h"

#include <gtest/gtest.h>

namespace godwit::daemon {
namespace {

bool keeps(std::string_view list, std::string_view name) {
  return KeptVariables(list).keeps(name);
}

TEST(Environment, IsKeptByNameSuffixAndExpression) {
  EXPECT_FALSE(keeps("", "PATH"));
  EXPECT_TRUE(keeps("PATH", "PATH"));
  EXPECT_FALSE(keeps("PATH", "path"));
  EXPECT_FALSE(keeps("PATH", "MYPATH"));
  EXPECT_TRUE(keeps("*", "ANYTHING"));
  EXPECT_TRUE(keeps("*_DIR", "MY_DIR"));
  EXPECT_FALSE(keeps("*_DIR", "MY_DIRS"));
  EXPECT_TRUE(keeps("TZ : ^LC_", "LC_ALL"));
  EXPECT_FALSE(keeps("TZ : ^LC_", "XLC_ALL"));
  EXPECT_FALSE(keeps("!LD_PRELOAD : *", "LD_PRELOAD"));
  EXPECT_TRUE(keeps("!LD_PRELOAD : *", "HOME"));
  EXPECT_TRUE(keeps("!LD_PRELOAD", "HOME"));
  EXPECT_FALSE(keeps("^(", "HOME"));
}

}  // namespace
}  // namespace godwit::daemon
