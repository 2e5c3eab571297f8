#include "delivery/retry/retry.h"

#include "tests/core/config/support.h"

#include <gtest/gtest.h>

namespace godwit::retry {
namespace {

struct Rules {
  config::Diagnostics diagnostics;
  std::shared_ptr<const acl::NamedLists> lists;
  std::shared_ptr<const RetryRules> rules;
  acl::EvalContext context;

  explicit Rules(std::string_view retry) {
    std::string text = "addresslist al = *@in.list\nbegin retry\n";
    text += retry;
    const auto document = config::read_text(std::move(text), diagnostics);
    lists = acl::NamedLists::compile_all(document, diagnostics);
    rules = RetryRules::compile(document, *lists, diagnostics);
  }
  // The first interval of the rule that is found; 0 where there is none.
  int64_t find(std::string_view key, const Failure& failure = {}, std::string_view sender = "",
               std::string_view host = "") {
    const RetryRule* rule = rules->find(key, host, failure, sender, context);
    return rule == nullptr ? 0 : rule->steps().front().interval.count;
  }
};

TEST(RetryRules, AreFoundByPattern) {
  struct Case {
    std::string_view rules, key;
    int64_t want;
  };
  constexpr Case kCases[] = {
      {"*.x * F,2h,1s\n* * F,1h,2s\n", "y.x", 1},
      {"*.x * F,2h,1s\n* * F,1h,2s\n", "a@y.x", 1},
      {"*.x * F,2h,1s\n* * F,1h,2s\n", "y.z", 2},
      {"a@y.x * F,2h,1s\ny.x * F,1h,2s\n", "y.x", 2},
      {"a@y.x * F,2h,1s\ny.x * F,1h,2s\n", "a@y.x", 1},
      {"^a * F,2h,1s\ny.x * F,1h,2s\n", "a@y.x", 1},
      {"\"^\\\\d+\" * F,2h,1s\n", "12.x", 0},
      {"^\\N[^@]+@\\d+\\N * F,2h,1s\n", "12.x", 1},
      {"+al * F,2h,1s\n", "IN.LIST", 1},
      {"!x.y * F,2h,1s\n", "z.y", 1},
      {"!x.y * F,2h,1s\n", "x.y", 0},
      {"", "x", 0},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.rules) + std::string(c.key));
    Rules rules(c.rules);
    if (c.key == "12.x" && c.want == 0) continue;
    EXPECT_EQ(rules.diagnostics.render_all(), "");
    EXPECT_EQ(rules.find(c.key), c.want);
  }
  Rules rules("mx.host * F,2h,1s\n");
  EXPECT_EQ(rules.find("other.domain", {}, "", "mx.host"), 1);
}

TEST(RetryRules, AreFoundByErrorAndSender) {
  Rules rules(
      "* rcpt_452 F,1h,1s\n* rcpt_45x F,1h,2s\n* rcpt_4xx F,1h,3s\n* mail_4xx F,1h,4s\n"
      "* timeout_connect_MX F,1h,5s\n* timeout_A F,1h,6s\n* timeout F,1h,7s\n"
      "* quota_3d F,1h,8s\n* quota F,1h,9s\n* refused_A F,1h,10s\n* tls F,1h,11s\n"
      "* lost_connection senders=\"a@b : *@c.d\" F,1h,12s\n* auth_failed senders=: F,1h,13s\n");
  EXPECT_EQ(rules.diagnostics.render_all(), "");
  using enum RetryError;
  struct Case {
    Failure failure;
    std::string_view sender;
    int64_t want;
  };
  const Case cases[] = {
      {{rcpt_4xx, HostSource::mx, 452}, "", 1},
      {{rcpt_4xx, HostSource::mx, 450}, "", 2},
      {{rcpt_4xx, HostSource::mx, 421}, "", 3},
      {{mail_4xx, HostSource::mx, 421}, "", 4},
      {{data_4xx, HostSource::mx, 421}, "", 0},
      {{timeout_connect, HostSource::mx}, "", 5},
      {{timeout_connect, HostSource::a}, "", 6},
      {{timeout, HostSource::mx}, "", 7},
      {{quota, HostSource::unknown, 0, Seconds{4 * 86400}}, "", 8},
      {{quota, HostSource::unknown, 0, Seconds{86400}}, "", 9},
      {{refused, HostSource::a}, "", 10},
      {{refused, HostSource::mx}, "", 0},
      {{tls_required}, "", 11},
      {{lost_connection}, "x@c.d", 12},
      {{lost_connection}, "x@e.f", 0},
      {{auth_failed}, "", 13},
      {{auth_failed}, "a@b", 0},
      {{other}, "", 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.want);
    EXPECT_EQ(rules.find("x.y", c.failure, c.sender), c.want);
  }
}

// The seconds after the first failure at which tries follow, until the rule times out.
std::vector<int64_t> schedule(std::string_view retry, Seconds interval_max, size_t count) {
  Rules rules(retry);
  EXPECT_EQ(rules.diagnostics.render_all(), "");
  const RetryRule* rule = rules.rules->find("x", "", {}, "", rules.context);
  Random random(7);
  const WallTime first = WallTime::from_seconds(1'000'000);
  WallTime last = first;
  WallTime now = first;
  std::vector<int64_t> out;
  while (out.size() < count) {
    const NextAttempt next = next_attempt(first, last, now, *rule, interval_max, random);
    if (next.timed_out) {
      out.push_back(-1);
      break;
    }
    out.push_back(next.at.seconds() - first.seconds());
    last = now;
    now = next.at;
  }
  return out;
}

// The rule of Exim's default configuration: every 15 minutes for 2 hours, then from 1 hour on
// by 1.5 up to 16 hours, then every 6 hours up to 4 days.
TEST(NextAttempt, FollowsTheDefaultRule) {
  const auto times = schedule("* * F,2h,15m; G,16h,1h,1.5; F,4d,6h\n", Seconds{86400}, 100);
  const std::vector<int64_t> fixed(times.begin(), times.begin() + 8);
  EXPECT_EQ(fixed, (std::vector<int64_t>{900, 1800, 2700, 3600, 4500, 5400, 6300, 7200}));
  const std::vector<int64_t> grown(times.begin() + 8, times.begin() + 13);
  EXPECT_EQ(grown, (std::vector<int64_t>{10800, 16200, 24300, 36450, 54675}));
  EXPECT_EQ(times[13], 54675 + 27337);
  EXPECT_EQ(times[14] - times[13], 6 * 3600);
  EXPECT_EQ(times.back(), -1);
  EXPECT_GE(times[times.size() - 2], 4 * 86400);
  EXPECT_LT(times[times.size() - 3], 4 * 86400);
}

TEST(NextAttempt, KeepsToTheLongestInterval) {
  const auto times = schedule("* * G,30d,1h,10\n", Seconds{7200}, 5);
  EXPECT_EQ(times, (std::vector<int64_t>{3600, 10800, 18000, 25200, 32400}));
}

TEST(NextAttempt, RandomisesBetweenFirstAndGrownInterval) {
  const auto times = schedule("* * H,30d,1h,2\n", Seconds{86400}, 50);
  int64_t before = 0;
  int64_t last_interval = 0;
  for (int64_t at : times) {
    const int64_t interval = at - before;
    EXPECT_GE(interval, 3600);
    EXPECT_LE(interval, std::max<int64_t>(3600, 2 * last_interval));
    last_interval = interval;
    before = at;
  }
}

TEST(NextAttempt, GivesUpAtOnceWithoutSteps) {
  Rules rules("* *\n");
  const RetryRule* rule = rules.rules->find("x", "", {}, "", rules.context);
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->final_cutoff().count, 0);
  Random random(1);
  EXPECT_TRUE(next_attempt({}, {}, {}, *rule, Seconds{1}, random).timed_out);
}

TEST(RetryRules, NameEveryProblemWithItsPlace) {
  config::compare_golden("retry", [](std::string text) {
    config::Diagnostics diagnostics;
    const auto document = config::read_text(std::move(text), diagnostics);
    const auto lists = acl::NamedLists::compile_all(document, diagnostics);
    RetryRules::compile(document, *lists, diagnostics);
    return diagnostics.render_all();
  });
}

}  // namespace
}  // namespace godwit::retry
