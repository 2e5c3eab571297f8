#include "daemon/hints_tidy.h"

#include "acl/policy/rates.h"
#include "acl/policy/seen.h"
#include "core/io/scope.h"
#include "delivery/queue/host_claim.h"
#include "delivery/retry/hints.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit::daemon {
namespace {

constexpr Seconds kDay{86'400};

class HintsTidyTest : public ::testing::Test {
 protected:
  WallTime ago(int64_t days) {
    return WallTime{clock_.wall().micros - days * kDay.count * 1'000'000};
  }
  std::string failed(int64_t days) {
    retry::RetryRecord record;
    record.first_failed = ago(days + 5);
    record.last_try = ago(days);
    record.next_try = ago(days);
    return retry::encode_record(record);
  }
  // Runs until nothing happens any more before `days` are over.
  void pass(int64_t days) {
    const Instant end = clock_.now() + Millis(Seconds{days * kDay.count});
    bool is_over = false;
    const auto wait = [](Loop& loop, Instant until, bool& over) -> Task<void> {
      co_await Sleep(loop.timers(), until - loop.clock().now());
      over = true;
    };
    scope_.spawn(wait(loop_, end, is_over));
    while (!is_over) loop_.run_once();
  }

  ManualClock clock_{WallTime{}};
  Loop loop_{VirtualTime{clock_}};
  Scope scope_;
  hints::MemoryDatabase database_;
};

TEST_F(HintsTidyTest, RemovesRetryHintsThatNobodyTouchedForRetryDataExpire) {
  clock_.advance_to(Instant{100 * kDay.count * 1'000'000});
  for (int i = 0; i < 1000; ++i) database_.put("T:old" + std::to_string(i), failed(8));
  database_.put("T:host:192.0.2.1", failed(6));
  database_.put("serialize:held", "1 " + std::to_string(ago(1).micros / 1'000'000));
  database_.put("serialize:left", "1 " + std::to_string(ago(9).micros / 1'000'000));
  database_.put("R:garbage", "?");
  HintsTidy tidy(loop_, {{&database_, &retry_changed_at, Seconds{7 * kDay.count}}});
  scope_.spawn(tidy.run());
  EXPECT_EQ(tidy.removed(), 0u) << "not at the start";
  pass(1);
  EXPECT_EQ(tidy.removed(), 1002u);
  EXPECT_EQ(database_.size(), 2u);
  EXPECT_TRUE(database_.get("T:host:192.0.2.1"));
  EXPECT_TRUE(database_.get("serialize:held"));
  pass(2);
  EXPECT_FALSE(database_.get("T:host:192.0.2.1")) << "its time came a day or two later";
  tidy.stop();
  EXPECT_EQ(scope_.running(), 0u);
}

TEST_F(HintsTidyTest, KnowsTheRecordsOfEveryDatabase) {
  const WallTime time{1'700'000'000'000'000};
  EXPECT_EQ(seen_changed_at("key", acl::encode_seen(time)), time);
  EXPECT_EQ(seen_changed_at("key", "short"), std::nullopt);
  acl::RateRecord rate;
  rate.updated = time;
  EXPECT_EQ(rate_changed_at("key", acl::encode_rate(rate)), time);
  EXPECT_EQ(rate_changed_at("key", ""), std::nullopt);
  EXPECT_EQ(callout_changed_at("key", "1700000000 aa-"), time);
  EXPECT_EQ(callout_changed_at("key", "1700000000"), std::nullopt);
  EXPECT_EQ(retry_changed_at("serialize:host", "17 1700000000"), time);
  EXPECT_EQ(retry_changed_at("serialize:host", "17"), std::nullopt);
  EXPECT_EQ(retry_changed_at("T:host", ""), std::nullopt);
}

}  // namespace
}  // namespace godwit::daemon
