// Rates in Redis: a real server (skipped where it is missing), and a scripted one for what a real
// one does not do on demand.
#include "acl/policy/redis_rates.h"

#include "acl/policy/policy.h"
#include "generated/source_dir.h"
#include "tests/acl/lookup/support.h"
#include "tests/acl/support.h"
#include "tests/support/unix_server.h"

#include <cmath>
#include <cstdlib>

namespace godwit::acl {
namespace {

std::string entry(const std::string& socket) {
  return "(" + socket + ")//";
}

class RedisRatesTest : public LookupTest {
 protected:
  void use(const std::string& servers) {
    LookupSetOptions options;
    options.redis_servers = servers;
    start(options);
    rates_.emplace(*set_);
  }
  Result<double> count(const RateEvent& event) {
    return test::run_task(loop_, run_on_fiber([&] { return rates_->count(event); }));
  }
  double rate(const RateEvent& event) {
    const Result<double> counted = count(event);
    EXPECT_TRUE(counted) << (counted ? "" : counted.error().detail());
    return counted ? std::round(*counted * 10) / 10 : -1;
  }
  static RateEvent event(std::string key, double limit = 100) {
    return RateEvent{std::move(key), 1, Seconds{3600}, limit};
  }

  std::optional<RedisRates> rates_;
};

#define GODWIT_REDIS(name)                                                           \
  test::LookupServer name(test::LookupServer::System::redis, GODWIT_SOURCE_DIR, {}); \
  GODWIT_START(name)

TEST_F(RedisRatesTest, CountAsTheRatesOfOneMachineDo) {
  GODWIT_REDIS(server);
  use(entry(server.socket()));
  const auto heavy = [](std::string key, double weight) {
    RateEvent out = event(std::move(key));
    out.count = weight;
    return out;
  };
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(rate(event("k")), i);
  EXPECT_EQ(rate(event("other")), 1);
  EXPECT_EQ(rate(heavy("bytes", 2048)), 2048);
  EXPECT_EQ(rate(heavy("bytes", 0.5)), 2048.5);
  RateEvent look = event("k");
  look.is_read_only = true;
  EXPECT_EQ(rate(look), 5);
  look.key = "never";
  EXPECT_EQ(rate(look), 0);
  RateEvent trial = event("k");
  trial.is_kept_as_it_was = true;
  EXPECT_EQ(rate(trial), 6);
  EXPECT_EQ(rate(trial), 6);
}

TEST_F(RedisRatesTest, LeakyOnesDoNotCountWhatIsOverTheLimit) {
  GODWIT_REDIS(server);
  use(entry(server.socket()));
  RateEvent leaky = event("k", 2.5);
  leaky.is_leaky = true;
  for (int i = 0; i < 20; ++i) EXPECT_LE(rate(leaky), 3);
  for (int i = 0; i < 10; ++i) rate(event("k", 2.5));
  EXPECT_GT(rate(event("k", 2.5)), 10);
}

TEST_F(RedisRatesTest, DifferentEventsCountOnceAPeriod) {
  GODWIT_REDIS(server);
  use(entry(server.socket()));
  const auto of = [](std::string_view who, int64_t seconds) {
    RateEvent out = event("k");
    out.unique = std::string(who);
    out.period = Seconds{seconds};
    return out;
  };
  for (const char* who : {"a", "b", "a", "a", "c"}) rate(of(who, 3600));
  EXPECT_EQ(rate(of("a", 3600)), 3);
  // Events of a period that is over are forgotten.
  EXPECT_EQ(ask("redis", "KEYS godwit:rate:*events").find("none"), std::string::npos);
  const std::string keys = ask("redis", "KEYS *}");
  ASSERT_TRUE(keys.starts_with("=godwit:rate:{")) << keys;
  ask("redis", "HSET " + keys.substr(1) + " since 1000000");
  EXPECT_EQ(rate(of("a", 3600)), 4);
  EXPECT_EQ(rate(of("b", 3600)), 5);
  EXPECT_EQ(rate(of("b", 3600)), 5);
}

TEST_F(RedisRatesTest, SilenceForgetsAndRubbishIsNoRecord) {
  GODWIT_REDIS(server);
  use(entry(server.socket()));
  for (int i = 0; i < 50; ++i) rate(event("k"));
  const std::string key = ask("redis", "KEYS godwit:rate:*").substr(1);
  EXPECT_NE(ask("redis", "TTL " + key), "=false");
  ask("redis", "HSET " + key + " updated 1000000");
  EXPECT_EQ(rate(event("k")), 1);
  ask("redis", "HSET " + key + " updated x rate y");
  EXPECT_EQ(rate(event("k")), 1);
  ask("redis", "SET " + key + " text");
  const Result<double> refused = count(event("k"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_temporary());
  EXPECT_EQ(refused.error().detail().substr(0, 21), "REDIS: script failed:");
}

TEST_F(RedisRatesTest, AreCountedOnceEachForManyAtATime) {
  GODWIT_REDIS(server);
  use(entry(server.socket()));
  Scope scope;
  const auto one = [&]() -> Task<void> {
    for (int i = 0; i < 20; ++i) {
      const RateEvent counted = event("k", 1e6);
      const auto body = [&] { return rates_->count(counted); };
      const Result<double> answer = co_await run_on_fiber(body);
      EXPECT_TRUE(answer);
    }
  };
  for (int i = 0; i < 20; ++i) scope.spawn(one());
  while (scope.running() > 0) loop_.run_once();
  EXPECT_NEAR(rate(event("k", 1e6)), 401, 2);
}

TEST_F(RedisRatesTest, GoToTheNextServerAndDeferWhereNoneIsLeft) {
  GODWIT_REDIS(first);
  GODWIT_REDIS(second);
  use(entry(first.socket()) + " : " + entry(second.socket()));
  EXPECT_EQ(rate(event("k")), 1);
  EXPECT_EQ(rate(event("k")), 2);
  first.kill();
  EXPECT_EQ(rate(event("k")), 1);
  second.kill();
  const Result<double> refused = count(event("k"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_temporary());
}

// Gives one scripted answer to each command, and keeps what it was told.
class ScriptedRedis final : public test::UnixServer {
 public:
  ScriptedRedis(Loop& loop, const std::string& path, std::vector<std::string> answers)
      : UnixServer(loop, path), answers_(std::move(answers)) {}
  // The first word of each command.
  std::vector<std::string> verbs;

 private:
  Task<void> serve(std::unique_ptr<UvStream> stream) override {
    while (next_ < answers_.size()) {
      const Result<std::string_view> read = co_await stream->read();
      if (!read || read->empty()) break;
      const size_t begin = read->find('\n', read->find('$')) + 1;
      verbs.emplace_back(read->substr(begin, read->find('\r', begin) - begin));
      const std::string& answer = answers_[next_];
      ++next_;
      const Result<void> written = co_await stream->write(answer);
      EXPECT_TRUE(written);
    }
    stream->close();
  }

  std::vector<std::string> answers_;
  size_t next_ = 0;
};

TEST_F(RedisRatesTest, SendTheScriptWhereItIsNotKnown) {
  const std::string path = directory_.path() + "/scripted";
  ScriptedRedis server(loop_, path,
                       {"-NOSCRIPT No matching script.\r\n", "$3\r\n2.5\r\n", "$1\r\n3\r\n",
                        "$3\r\nabc\r\n", "-READONLY a replica\r\n"});
  use(entry(path));
  EXPECT_EQ(rate(event("k")), 2.5);
  EXPECT_EQ(rate(event("k")), 3);
  EXPECT_EQ(server.verbs, (std::vector<std::string>{"EVALSHA", "EVAL", "EVALSHA"}));
  EXPECT_EQ(count(event("k")).error().detail(), "REDIS: \"abc\" is no rate");
  EXPECT_EQ(count(event("k")).error().detail(), "REDIS: script failed: READONLY a replica");
}

TEST_F(RedisRatesTest, AnswerRatelimitInAnAcl) {
  const std::string path = directory_.path() + "/scripted";
  ScriptedRedis server(loop_, path, {"$3\r\n2.5\r\n", "$3\r\n7.5\r\n"});
  use(entry(path));
  Services services;
  services.shared_rates = &*rates_;
  Facts facts;
  facts.context.services = &services;
  config::Diagnostics diagnostics;
  const auto policy = compile_policy(
      config::read_text("acl_smtp_rcpt = a\nbegin acl\na:\n accept ratelimit = 5 / 1h / per_cmd\n",
                        diagnostics),
      diagnostics);
  ASSERT_FALSE(diagnostics.has_errors());
  const auto verdict = [&] {
    const auto run = [&] {
      return policy->acls().evaluate(policy->acl(AclWhere::rcpt), AclWhere::rcpt, facts.context);
    };
    return test::run_task(loop_, run_on_fiber(run)).verdict;
  };
  EXPECT_EQ(verdict(), AclVerdict::deny);
  EXPECT_EQ(facts.context.findings.sender_rate, "2.5");
  EXPECT_EQ(verdict(), AclVerdict::accept);
  EXPECT_EQ(facts.context.findings.sender_rate, "7.5");
  // The server has ended its connection.
  EXPECT_EQ(verdict(), AclVerdict::defer);
}

}  // namespace
}  // namespace godwit::acl
