#include "delivery/route/local_user.h"

#include <gtest/gtest.h>
#include <pwd.h>

namespace godwit::delivery {
namespace {

TEST(LocalUser, IsFoundByNameAndByNumber) {
  const auto root = ask_local_user("root", false);
  ASSERT_TRUE(root && *root);
  EXPECT_EQ((*root)->uid, 0u);
  EXPECT_EQ((*root)->login, "root");
  const auto zero = ask_local_user("0", true);
  ASSERT_TRUE(zero && *zero);
  EXPECT_EQ((*zero)->login, "root");
  EXPECT_FALSE((*zero)->home.empty());
  const auto name = ask_local_user("0", false);
  EXPECT_TRUE(name && !*name);
}

TEST(LocalUser, MayBeANumberThatNoLoginHas) {
  uint32_t free = 4294967294;
  while (::getpwuid(free) != nullptr) --free;
  const auto user = ask_local_user(std::to_string(free), true);
  ASSERT_TRUE(user && *user);
  EXPECT_EQ((*user)->uid, free);
  EXPECT_EQ((*user)->login, "");
}

TEST(LocalUser, IsNoNumberThatDoesNotFit) {
  for (const char* number : {"4294967295", "4294967296", "99999999999999999999"}) {
    SCOPED_TRACE(number);
    const auto user = ask_local_user(number, true);
    ASSERT_FALSE(user);
    EXPECT_EQ(user.error().detail(), std::string(number) + " is too large for an id");
    EXPECT_FALSE(ask_local_group(number));
    EXPECT_FALSE(find_local_group(number, nullptr));
  }
}

TEST(LocalUser, IsNotThereForAStrangeName) {
  for (const std::string& name : {std::string(), std::string("a\0b", 3), std::string("no such")}) {
    const auto user = ask_local_user(name, true);
    EXPECT_TRUE(user && !*user);
    const auto group = ask_local_group(name);
    EXPECT_TRUE(group && !*group);
  }
}

TEST(LocalUser, HasAGroupByNameOrNumber) {
  EXPECT_EQ(ask_local_group("root").value_or(std::nullopt), 0u);
  EXPECT_EQ(ask_local_group("12345").value_or(std::nullopt), 12345u);
}

}  // namespace
}  // namespace godwit::delivery
