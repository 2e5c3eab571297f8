// ratelimit and seen: what they answer over time, with a store in memory.
#include "acl/expand/services.h"
#include "acl/policy/policy.h"
#include "acl/policy/rates.h"
#include "core/hints/database.h"
#include "tests/acl/support.h"

#include <gtest/gtest.h>

namespace godwit::acl {
namespace {

class RateTest : public testing::Test {
 protected:
  RateTest() {
    services_.rates = &rates_;
    services_.seen = &seen_;
    facts_.context.services = &services_;
  }
  // True where the condition holds in the RCPT ACL at `seconds`. Each call is a message of its own
  // unless `same_message`.
  bool holds(const std::string& condition, int64_t seconds, bool same_message = false) {
    config::Diagnostics diagnostics;
    const auto policy = compile_policy(
        config::read_text("acl_smtp_rcpt = a\nbegin acl\na:\n accept " + condition + "\n",
                          diagnostics),
        diagnostics);
    EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.render_all();
    facts_.context.now = WallTime::from_seconds(1'000'000 + seconds);
    if (!same_message) facts_.context.findings.message_rates.clear();
    facts_.context.findings.command_rates.clear();
    last_ = policy->acls().evaluate(policy->acl(AclWhere::rcpt), AclWhere::rcpt, facts_.context);
    return last_.verdict == AclVerdict::accept;
  }
  const Findings& findings() const { return facts_.context.findings; }

  Facts facts_;
  Services services_;
  hints::MemoryDatabase rates_;
  hints::MemoryDatabase seen_;
  AclOutcome last_;
};

TEST_F(RateTest, HoldsFromTheLimitOn) {
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(holds("ratelimit = 4.9 / 1h / k", i)) << i;
  EXPECT_EQ(findings().sender_rate, "4.0");
  EXPECT_TRUE(holds("ratelimit = 4.9 / 1h / strict / k", 4));
  EXPECT_EQ(findings().sender_rate_limit, "4.9");
  EXPECT_EQ(findings().sender_rate_period, "1h");
}

TEST_F(RateTest, LeakyDoesNotCountWhatIsOverTheLimit) {
  for (int i = 0; i < 20; ++i) holds("ratelimit = 2.5 / 1h / leaky / k", i);
  EXPECT_LT(std::stod(findings().sender_rate), 3.1);
  for (int i = 20; i < 40; ++i) holds("ratelimit = 2.5 / 1h / strict / k", i);
  EXPECT_GT(std::stod(findings().sender_rate), 20);
}

TEST_F(RateTest, ReadonlyOnlyLooks) {
  EXPECT_FALSE(holds("ratelimit = 2 / 1h / readonly / k", 0));
  EXPECT_EQ(findings().sender_rate, "0.0");
  holds("ratelimit = 2 / 1h / strict / k", 1);
  holds("ratelimit = 2 / 1h / strict / k", 2);
  for (int i = 3; i < 6; ++i) holds("ratelimit = 2 / 1h / readonly / k", i);
  EXPECT_EQ(findings().sender_rate, "2.0");
}

TEST_F(RateTest, OneMessageCountsOnce) {
  for (int i = 0; i < 5; ++i) holds("ratelimit = 9 / 1h / strict / k", i, i > 0);
  EXPECT_EQ(findings().sender_rate, "1.0");
  for (int i = 0; i < 5; ++i) holds("ratelimit = 9 / 1h / per_cmd / strict / k2", i, i > 0);
  EXPECT_EQ(findings().sender_rate, "5.0");
}

TEST_F(RateTest, DifferentEventsCountOnceAPeriod) {
  for (const char* who : {"a", "b", "a", "a", "c"})
    holds(std::string("ratelimit = 9 / 1h / per_cmd / unique=") + who + " / k", 1);
  EXPECT_EQ(findings().sender_rate, "3.0");
}

TEST_F(RateTest, CountWeighsAndUnitsAreRead) {
  EXPECT_TRUE(holds("ratelimit = 1K / 1h / per_cmd / count=2048 / k", 0));
  EXPECT_EQ(findings().sender_rate, "2048.0");
  EXPECT_FALSE(holds("ratelimit = 1.5 / 1h / per_cmd / count=0.5 / k2", 0));
}

TEST_F(RateTest, KeysMayHaveSlashesAndDefaultToTheHost) {
  holds("ratelimit = 9 / 1h / strict / a/b", 0);
  holds("ratelimit = 9 / 1h / strict / a/c", 0);
  EXPECT_EQ(findings().sender_rate, "1.0");
  EXPECT_EQ(rates_.size(), 2u);
}

TEST_F(RateTest, SilenceForgets) {
  for (int i = 0; i < 50; ++i) holds("ratelimit = 10 / 1m / strict / k", i);
  EXPECT_TRUE(holds("ratelimit = 10 / 1m / readonly / k", 50));
  EXPECT_FALSE(holds("ratelimit = 10 / 1m / strict / k", 600));
  EXPECT_EQ(findings().sender_rate, "1.0");
}

constexpr const char* kWrongTexts[] = {
    "ratelimit = x / 1h",
    "ratelimit = 1 / x",
    "ratelimit = 1 / 1h / per_conn / per_cmd / k",
    "ratelimit = 1 / 1h / strict / leaky / k",
    "ratelimit = 1/1h/count=x/k",
    "seen = x",
    "seen = 5m / nonsense",
};

// Made of variables: nobody can know before.
TEST_F(RateTest, WrongTextsDefer) {
  for (const char* text : kWrongTexts) {
    EXPECT_FALSE(holds(std::string(text) + "$acl_m_unset", 0));
    EXPECT_EQ(last_.verdict, AclVerdict::defer) << text;
  }
}

TEST_F(RateTest, WrongConstantsAreRefusedAtLoad) {
  for (const char* text : kWrongTexts) {
    config::Diagnostics diagnostics;
    const std::string acl = "begin acl\na:\n accept " + std::string(text) + "\n";
    compile_policy(config::read_text(acl, diagnostics), diagnostics);
    EXPECT_EQ(diagnostics.error_count(), 1u) << text;
  }
}

TEST(RateRecord, RefusesBytesThatAreNone) {
  RateRecord record;
  record.rate = 2.5;
  record.events = {1, 2, 3};
  const std::string bytes = encode_rate(record);
  EXPECT_EQ(decode_rate(bytes)->events, record.events);
  for (size_t n = 0; n < 24; ++n) EXPECT_FALSE(decode_rate(std::string_view(bytes).substr(0, n)));
  EXPECT_FALSE(decode_rate(std::string(24, '\xff')));
  EXPECT_EQ(decode_rate(std::string(24 + 8 * 20'000, '\0'))->events.size(), kUniqueEventsMax);
}

// Greylisting as the manual has it: defer seen = -5m, then accept.
TEST_F(RateTest, SeenTellsBeforeFromSince) {
  EXPECT_FALSE(holds("seen = -5m / key=g", 0));   // makes the record
  EXPECT_FALSE(holds("seen = -5m / key=g", 60));  // younger than that
  EXPECT_TRUE(holds("seen = -5m / key=g", 301));
  EXPECT_FALSE(holds("seen = 5m / key=s", 0));
  EXPECT_TRUE(holds("seen = 5m / key=s", 200));  // and is updated
  EXPECT_TRUE(holds("seen = 5m / key=s", 400));
  EXPECT_FALSE(holds("seen = 5m / key=s", 800));
  EXPECT_FALSE(holds("seen = 5m / key=r / readonly", 0));
  EXPECT_FALSE(holds("seen = 5m / key=r / readonly", 1));
}

}  // namespace
}  // namespace godwit::acl
