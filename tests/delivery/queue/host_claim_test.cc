#include "delivery/queue/host_claim.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace godwit::delivery {
namespace {

constexpr WallTime kNow{1'700'000'000'000'000};

TEST(HostClaim, IsHeldByOne) {
  hints::MemoryDatabase database;
  std::unique_ptr<HostClaim> first = HostClaim::take(database, "mx.test", kNow);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(HostClaim::take(database, "MX.test", kNow), nullptr);
  EXPECT_NE(HostClaim::take(database, "other.test", kNow), nullptr);
  first.reset();
  EXPECT_NE(HostClaim::take(database, "mx.test", kNow), nullptr);
}

TEST(HostClaim, DoesNotCountOfAProcessThatIsGone) {
  hints::MemoryDatabase database;
  database.put("serialize:mx.test", "2147483646 1700000000");
  EXPECT_NE(HostClaim::take(database, "mx.test", kNow), nullptr);
}

TEST(HostClaim, DoesNotCountAfterSixHoursNorWhereItMakesNoSense) {
  hints::MemoryDatabase database;
  const std::string own = std::to_string(::getpid());
  database.put("serialize:a", own + " 1699970000");
  EXPECT_NE(HostClaim::take(database, "a", kNow), nullptr);
  database.put("serialize:b", own + " 1699990000");
  EXPECT_EQ(HostClaim::take(database, "b", kNow), nullptr);
  database.put("serialize:c", "what");
  EXPECT_NE(HostClaim::take(database, "c", kNow), nullptr);
}

}  // namespace
}  // namespace godwit::delivery
