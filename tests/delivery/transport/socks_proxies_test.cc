#include "delivery/transport/socks_proxies.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::delivery {
namespace {

TEST(SocksProxies, ReadsEveryOption) {
  const auto proxies = parse_socks_proxies(
      "192.0.2.1 auth=name name=me pass=secret port=1081 tmo=7 pri=3 weight=9 : 2001::db8::::1");
  ASSERT_TRUE(proxies) << proxies.error().to_string();
  ASSERT_EQ(proxies->size(), 2u);
  const SocksProxy& first = proxies->front();
  EXPECT_EQ(first.at.to_string(), "[192.0.2.1]:1081");
  EXPECT_TRUE(first.with_name);
  EXPECT_EQ(first.name, "me");
  EXPECT_EQ(first.password, "secret");
  EXPECT_EQ(first.timeout.count, 7);
  EXPECT_EQ(first.priority, 3u);
  EXPECT_EQ(first.weight, 9u);
  const SocksProxy& second = proxies->back();
  EXPECT_EQ(second.at.to_string(), "[2001:db8::1]:1080");
  EXPECT_FALSE(second.with_name);
  EXPECT_EQ(second.timeout.count, 5);
}

TEST(SocksProxies, NamesWhatIsWrongAndNoPassword) {
  struct Row {
    std::string_view list;
    std::string_view problem;
  };
  constexpr std::array kRows{
      Row{"proxy.test", "\"proxy.test\" is no IP address"},
      Row{"192.0.2.1 colour=red", "unknown option \"colour\""},
      Row{"192.0.2.1 port=0", "bad value of option port"},
      Row{"192.0.2.1 port=70000", "bad value of option port"},
      Row{"192.0.2.1 auth=gssapi", "bad value of option auth"},
      Row{"192.0.2.1 pass", "bad value of option pass"},
      Row{"192.0.2.1 tmo=soon", "bad value of option tmo"},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.list);
    const auto proxies = parse_socks_proxies(row.list);
    ASSERT_FALSE(proxies);
    EXPECT_EQ(proxies.error().detail(), row.problem);
  }
  EXPECT_TRUE(parse_socks_proxies("")->empty());
}

TEST(SocksProxies, OrdersByPriorityAndByWeightedChance) {
  Random random(7);
  int heavy_first = 0;
  for (int round = 0; round < 1000; ++round) {
    auto proxies = *parse_socks_proxies(
        "192.0.2.1 weight=1 : 192.0.2.2 weight=9 : 192.0.2.3 pri=2 : 192.0.2.4 pri=0");
    order_socks_proxies(proxies, random);
    EXPECT_EQ(proxies[0].at.address.to_string(), "192.0.2.3");
    EXPECT_EQ(proxies[3].at.address.to_string(), "192.0.2.4");
    if (proxies[1].at.address.to_string() == "192.0.2.2") ++heavy_first;
  }
  EXPECT_GT(heavy_first, 850);
  EXPECT_LT(heavy_first, 950);
}

}  // namespace
}  // namespace godwit::delivery
