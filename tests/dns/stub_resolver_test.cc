// Over loopback: servers that answer, lie, lose and fall silent.
#include "dns/stub_resolver.h"

#include "core/io/event.h"
#include "core/io/fiber.h"
#include "tests/support/dns_message.h"
#include "tests/support/dns_server.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <memory>

namespace godwit::dns {
namespace {

using test::a_record;
using test::asked_name;
using test::asked_type;
using test::cname_record;
using test::DnsServer;
using test::make_response;
using test::ResponseForm;
using test::soa_record;

constexpr Millis kShort{60};

// Every host has one address; names that begin with "no" do not exist.
std::vector<std::string> plain_answer(const DnsServer::Query& query) {
  ResponseForm form;
  form.authentic = true;
  const std::string name = asked_name(query.bytes);
  if (name.starts_with("no")) {
    form.rcode = 3;
    form.authorities = {soa_record("test", 60, 30)};
  } else if (asked_type(query.bytes) == RrType::A) {
    form.answers = {a_record(name, "192.0.2.1")};
  } else {
    form.authorities = {soa_record("test", 60, 30)};
  }
  return {make_response(query.bytes, form)};
}

std::vector<std::string> failure_answer(const DnsServer::Query& query, unsigned rcode) {
  ResponseForm form;
  form.rcode = rcode;
  return {make_response(query.bytes, form)};
}

class StubResolverTest : public testing::Test {
 protected:
  StubOptions short_options() {
    StubOptions options;
    options.ladder = {kShort, kShort};
    return options;
  }
  void make(const std::vector<UpstreamAddress>& upstreams) { make(upstreams, short_options()); }
  void make(const std::vector<UpstreamAddress>& upstreams, StubOptions options) {
    options.upstreams = upstreams;
    resolver_ = std::make_unique<StubResolver>(loop_, std::move(options));
  }
  Result<Answer> ask(const std::string& name, RrType type = RrType::A, QueryOptions options = {}) {
    return test::run_task(loop_, resolver_->query(name, type, options));
  }
  void TearDown() override {
    if (resolver_ != nullptr) close(*resolver_);
  }
  void close(StubResolver& resolver) {
    Scope scope;
    scope.spawn(resolver.close());
    while (scope.running() > 0) loop_.run_once();
  }

  Loop loop_;
  std::unique_ptr<StubResolver> resolver_;
};

TEST_F(StubResolverTest, AnswersThatAreSecureOnlyWhereTheUpstreamIsTrusted) {
  DnsServer server(plain_answer);
  make({{server.endpoint(), true}});
  const Result<Answer> answer = ask("Host.TEST.");
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->status, AnswerStatus::found);
  EXPECT_TRUE(answer->secure);
  EXPECT_EQ(answer->name, "host.test");
  EXPECT_EQ(answer->records[0].as<IpAddress>()->to_string(), "192.0.2.1");
  close(*resolver_);
  make({{server.endpoint(), false}});
  EXPECT_FALSE(ask("host.test")->secure);
}

TEST_F(StubResolverTest, DenialsAreAnswers) {
  DnsServer server(plain_answer);
  make({{server.endpoint(), true}});
  EXPECT_EQ(ask("none.test")->status, AnswerStatus::no_name);
  EXPECT_EQ(ask("host.test", RrType::MX)->status, AnswerStatus::no_data);
  EXPECT_EQ(ask("a..b")->status, AnswerStatus::no_name);
  EXPECT_EQ(ask("")->status, AnswerStatus::no_name);
  EXPECT_EQ(ask(std::string(300, 'a'))->status, AnswerStatus::no_name);
  EXPECT_EQ(server.queries(), 2);
  EXPECT_EQ(ask("none.test")->ttl_seconds, 29u);  // 30, a moment ago
}

TEST_F(StubResolverTest, TheCacheAnswersWithoutAFiberAndWithoutTheServer) {
  DnsServer server(plain_answer);
  make({{server.endpoint(), true}});
  EXPECT_FALSE(dns::ask(*resolver_, "host.test", RrType::A));
  EXPECT_TRUE(ask("host.test"));
  const Result<Answer> cached = dns::ask(*resolver_, "HOST.test.", RrType::A);
  ASSERT_TRUE(cached);
  EXPECT_TRUE(cached->secure);
  EXPECT_GE(cached->ttl_seconds, 298u);
  EXPECT_EQ(server.queries(), 1);
  resolver_->forget();
  EXPECT_TRUE(ask("host.test"));
  EXPECT_EQ(server.queries(), 2);
}

TEST_F(StubResolverTest, NothingIsKeptForLongerThanIsReasonable) {
  constexpr uint32_t kMonth = 30 * 24 * 3600;
  DnsServer server([](const DnsServer::Query& query) {
    ResponseForm form;
    const std::string name = asked_name(query.bytes);
    if (asked_type(query.bytes) == RrType::A) {
      form.answers = {a_record(name, "192.0.2.1", kMonth)};
    } else {
      form.authorities = {soa_record("test", kMonth, kMonth)};
    }
    return std::vector<std::string>{make_response(query.bytes, form)};
  });
  make({{server.endpoint(), true}});
  for (const auto& [type, most] :
       {std::pair(RrType::A, kKeepPositiveMax), {RrType::MX, kKeepNegativeMax}}) {
    EXPECT_TRUE(ask("host.test", type));
    const Result<Answer> cached = dns::ask(*resolver_, "host.test", type);
    ASSERT_TRUE(cached);
    EXPECT_LE(cached->ttl_seconds, static_cast<uint32_t>(most.count));
    EXPECT_GE(cached->ttl_seconds, static_cast<uint32_t>(most.count) - 60);
  }
}

TEST_F(StubResolverTest, InternationalNamesAreAskedAsALabels) {
  std::string asked;
  DnsServer server([&](const DnsServer::Query& query) {
    asked = asked_name(query.bytes);
    return plain_answer(query);
  });
  make({{server.endpoint(), true}});
  EXPECT_TRUE(
      ask("B\xc3\xbc"
          "cher.test"));
  EXPECT_EQ(asked, "xn--bcher-kva.test");
}

TEST_F(StubResolverTest, ALostPacketIsSentAgain) {
  DnsServer server([](const DnsServer::Query& query) {
    return query.number == 1 ? std::vector<std::string>() : plain_answer(query);
  });
  make({{server.endpoint(), true}});
  EXPECT_TRUE(ask("host.test"));
  EXPECT_EQ(server.queries(), 2);
}

TEST_F(StubResolverTest, SilenceIsATimeoutThatNamesTheServer) {
  DnsServer server([](const DnsServer::Query&) { return std::vector<std::string>(); });
  make({{server.endpoint(), true}});
  const Result<Answer> answer = ask("host.test", RrType::MX);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::timed_out);
  EXPECT_TRUE(answer.error().is_temporary());
  EXPECT_EQ(answer.error().detail(),
            "MX of host.test: no answer from " + server.endpoint().to_string());
  EXPECT_EQ(server.queries(), 2);
}

TEST_F(StubResolverTest, AttemptsAndPatienceOfOneQuestion) {
  DnsServer server([](const DnsServer::Query&) { return std::vector<std::string>(); });
  make({{server.endpoint(), true}});
  QueryOptions once;
  once.attempts = 1;
  once.retrans = Millis{5};
  EXPECT_FALSE(ask("host.test", RrType::A, once));
  EXPECT_EQ(server.queries(), 1);
}

TEST_F(StubResolverTest, ADeadUpstreamCostsNothingOnceItIsKnown) {
  DnsServer good(plain_answer);
  DnsServer silent([](const DnsServer::Query&) { return std::vector<std::string>(); });
  make({{test::deaf_endpoint(), true}, {silent.endpoint(), true}, {good.endpoint(), true}});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ask("host" + std::to_string(i) + ".test"));
  EXPECT_EQ(silent.queries(), 2);
  EXPECT_EQ(good.queries(), 5);
}

TEST_F(StubResolverTest, ARefusingUpstreamIsAskedAgainBeforeGivingUp) {
  make({{test::deaf_endpoint(), true}});
  const Result<Answer> answer = ask("host.test");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::connection_refused);
  EXPECT_GE(resolver_->stats().refusals, 2u);
}

TEST_F(StubResolverTest, ServerFailureAsksTheNext) {
  DnsServer bad([](const DnsServer::Query& query) { return failure_answer(query, 2); });
  DnsServer good(plain_answer);
  make({{bad.endpoint(), false}, {good.endpoint(), false}});
  EXPECT_TRUE(ask("host.test"));
  EXPECT_EQ(bad.queries(), 1);
}

TEST_F(StubResolverTest, BogusOfATrustedServerNeverBecomesInsecure) {
  DnsServer bad([](const DnsServer::Query& query) { return failure_answer(query, 2); });
  DnsServer unvalidated(plain_answer);
  make({{bad.endpoint(), true}, {unvalidated.endpoint(), false}});
  const Result<Answer> answer = ask("host.test");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::dns_failed);
  EXPECT_NE(answer.error().detail().find("SERVFAIL"), std::string::npos);
  EXPECT_EQ(unvalidated.queries(), 0);
  EXPECT_EQ(bad.queries(), 1);
}

TEST_F(StubResolverTest, AFailureIsRememberedForAMoment) {
  DnsServer bad([](const DnsServer::Query& query) { return failure_answer(query, 5); });
  make({{bad.endpoint(), true}});
  EXPECT_FALSE(ask("host.test"));
  EXPECT_FALSE(ask("host.test"));
  EXPECT_EQ(bad.queries(), 1);
}

TEST_F(StubResolverTest, WithoutUpstreamsNothingCanBeAsked) {
  make({});
  const Result<Answer> answer = ask("host.test");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::dns_failed);
}

TEST_F(StubResolverTest, OnlyTheRightIdAndQuestionCount) {
  DnsServer server([](const DnsServer::Query& query) {
    std::string wrong_id = plain_answer(query)[0];
    wrong_id[0] = static_cast<char>(wrong_id[0] ^ 1);
    std::string wrong_name = plain_answer(query)[0];
    wrong_name[13] = 'x';
    const std::string garbage = wrong_name.substr(0, 14) + "\xff\xff\xff";
    const std::string query_back(query.bytes);
    return std::vector<std::string>{"x",        wrong_id,   query_back,
                                    wrong_name, garbage,    plain_answer(query)[0],
                                    wrong_id,   query_back, plain_answer(query)[0]};
  });
  make({{server.endpoint(), true}});
  const Result<Answer> answer = ask("host.test");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->records.size(), 1u);
  EXPECT_EQ(resolver_->stats().garbage, 2u);
}

TEST_F(StubResolverTest, NothingButGarbageIsAnErrorThatSaysSo) {
  DnsServer server([](const DnsServer::Query& query) {
    return std::vector<std::string>{plain_answer(query)[0].substr(0, 30)};
  });
  make({{server.endpoint(), true}});
  const Result<Answer> answer = ask("host.test");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::dns_failed);
  EXPECT_NE(answer.error().detail().find("malformed answer"), std::string::npos);
}

TEST_F(StubResolverTest, WhatDoesNotFitComesOverTcp) {
  DnsServer server([](const DnsServer::Query& query) {
    ResponseForm form;
    form.truncated = !query.over_tcp;
    if (query.over_tcp)
      form.answers = {test::txt_record(asked_name(query.bytes), std::string(20'000, 't'))};
    return std::vector<std::string>{make_response(query.bytes, form)};
  });
  make({{server.endpoint(), true}});
  const Result<Answer> answer = ask("big.test", RrType::TXT);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->records[0].as<Txt>()->joined().size(), 20'000u);
  EXPECT_EQ(resolver_->stats().over_tcp, 1u);
}

TEST_F(StubResolverTest, ManyTcpAnswersAtOnce) {
  DnsServer server([](const DnsServer::Query& query) {
    ResponseForm form;
    form.truncated = !query.over_tcp;
    if (query.over_tcp) form.answers = {a_record(asked_name(query.bytes), "192.0.2.3")};
    return std::vector<std::string>{make_response(query.bytes, form)};
  });
  StubOptions options;
  make({{server.endpoint(), true}}, options);
  int found = 0;
  Scope scope;
  const auto one = [](StubResolver& resolver, int number, int& count) -> Task<void> {
    const Result<Answer> answer =
        co_await resolver.query("h" + std::to_string(number) + ".test", RrType::A);
    if (answer && answer->found()) ++count;
  };
  for (int i = 0; i < 100; ++i) scope.spawn(one(*resolver_, i, found));
  while (scope.running() > 0) loop_.run_once();
  EXPECT_EQ(found, 100);
}

TEST_F(StubResolverTest, ATcpConnectionThatEndsIsAFailedAttempt) {
  DnsServer server([](const DnsServer::Query& query) {
    ResponseForm form;
    form.truncated = true;
    if (query.over_tcp) return std::vector<std::string>();
    return std::vector<std::string>{make_response(query.bytes, form)};
  });
  make({{server.endpoint(), true}});
  const Result<Answer> answer = ask("big.test", RrType::TXT);
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is_temporary());
  EXPECT_NE(answer.error().detail().find("over TCP"), std::string::npos);
}

TEST_F(StubResolverTest, AServerWithoutEdnsIsAskedWithoutIt) {
  DnsServer server([](const DnsServer::Query& query) {
    const bool has_edns = query.bytes[11] != 0;
    return has_edns ? failure_answer(query, 1) : plain_answer(query);
  });
  make({{server.endpoint(), true}});
  EXPECT_TRUE(ask("a.test"));
  EXPECT_TRUE(ask("b.test"));
  EXPECT_EQ(server.queries(), 3);
}

TEST_F(StubResolverTest, AnUnfinishedChainIsFollowedAsOftenAsConfigured) {
  DnsServer server([](const DnsServer::Query& query) {
    ResponseForm form;
    const std::string name = asked_name(query.bytes);
    if (name == "a.test") form.answers = {cname_record(name, "b.test")};
    if (name == "b.test") form.answers = {a_record(name, "192.0.2.5")};
    if (name == "loop.test") form.answers = {cname_record(name, "pool.test")};
    if (name == "pool.test") form.answers = {cname_record(name, "loop.test")};
    form.authentic = name == "b.test";
    return std::vector<std::string>{make_response(query.bytes, form)};
  });
  make({{server.endpoint(), true}});
  const Result<Answer> answer = ask("a.test");
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->name, "b.test");
  EXPECT_TRUE(answer->has_alias);
  EXPECT_FALSE(answer->secure);
  EXPECT_FALSE(ask("loop.test"));
}

TEST_F(StubResolverTest, EqualQuestionsAreAskedOnceAndPlacesAreBounded) {
  DnsServer server(plain_answer);
  StubOptions options = short_options();
  options.ladder = {Millis{2000}};
  options.in_flight_max = 4;
  make({{server.endpoint(), true}}, options);
  Scope scope;
  int found = 0;
  size_t most = 0;
  const auto one = [](StubResolver& resolver, std::string name, Lane lane,
                      int& count) -> Task<void> {
    QueryOptions lane_options;
    lane_options.lane = lane;
    const Result<Answer> answer = co_await resolver.query(std::move(name), RrType::A, lane_options);
    if (answer) ++count;
  };
  for (int i = 0; i < 200; ++i) {
    scope.spawn(one(*resolver_, "h" + std::to_string(i % 50) + ".test",
                    i % 3 == 0 ? Lane::session : Lane::delivery, found));
    most = std::max(most, resolver_->stats().in_flight);
  }
  EXPECT_EQ(resolver_->stats().queued, 46u);
  while (scope.running() > 0) loop_.run_once();
  EXPECT_EQ(found, 200);
  EXPECT_EQ(most, 4u);
  EXPECT_EQ(server.queries(), 50);
  EXPECT_EQ(resolver_->stats().coalesced, 150u);
}

TEST_F(StubResolverTest, CancellingEndsOneWaiterAndNotTheQuestion) {
  DnsServer server([](const DnsServer::Query& query) {
    return query.number == 1 ? std::vector<std::string>() : plain_answer(query);
  });
  make({{server.endpoint(), true}});
  CancelSource cancel;
  Scope scope;
  std::vector<Errc> ends;
  const auto one = [](StubResolver& resolver, CancelSource* source,
                      std::vector<Errc>& out) -> Task<void> {
    const Result<Answer> answer = co_await resolver.query("host.test", RrType::A, {}, source);
    out.push_back(answer ? Errc::internal : answer.error().code());
  };
  scope.spawn(one(*resolver_, &cancel, ends));
  scope.spawn(one(*resolver_, nullptr, ends));
  cancel.cancel();
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0], Errc::cancelled);
  while (scope.running() > 0) loop_.run_once();
  EXPECT_EQ(ends[1], Errc::internal);
}

TEST_F(StubResolverTest, ClosingEndsEveryQuestion) {
  DnsServer silent([](const DnsServer::Query& query) {
    ResponseForm form;
    form.truncated = true;
    if (query.number % 2 == 0 || query.over_tcp) return std::vector<std::string>();
    return std::vector<std::string>{make_response(query.bytes, form)};
  });
  StubOptions options;
  options.in_flight_max = 40;
  make({{silent.endpoint(), true}}, options);
  Scope scope;
  int cancelled = 0;
  const auto one = [](StubResolver& resolver, int number, int& count) -> Task<void> {
    const Result<Answer> answer =
        co_await resolver.query("h" + std::to_string(number) + ".test", RrType::A);
    if (!answer && answer.error().is_cancelled()) ++count;
    const Result<Answer> again = co_await resolver.query("again.test", RrType::A);
    if (!again && again.error().is_cancelled()) ++count;
  };
  for (int i = 0; i < 60; ++i) scope.spawn(one(*resolver_, i, cancelled));
  for (int i = 0; i < 5; ++i) loop_.run_once();
  close(*resolver_);
  EXPECT_EQ(scope.running(), 0u);
  EXPECT_EQ(cancelled, 120);
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

TEST_F(StubResolverTest, DescriptorsAreFewAndAllGivenBack) {
  DnsServer server(plain_answer);
  make({{server.endpoint(), true}});
  const size_t before = open_descriptors();
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(ask("h" + std::to_string(i) + ".test"));
  EXPECT_LE(open_descriptors(), before + 2);
  close(*resolver_);
  loop_.poll();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(StubResolverTest, OutOfDescriptorsWaitsAndDoesNotSpin) {
  DnsServer server(plain_answer);
  make({{server.endpoint(), true}});
  rlimit old{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  rlimit none = old;
  none.rlim_cur = 3;
  ::setrlimit(RLIMIT_NOFILE, &none);
  int turns = 0;
  std::optional<Result<Answer>> answer;
  {
    Scope scope;
    scope.spawn(test::detail::capture(resolver_->query("host.test", RrType::A), answer));
    for (; !answer; ++turns) loop_.run_once();
  }
  ::setrlimit(RLIMIT_NOFILE, &old);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code(), Errc::no_descriptors);
  EXPECT_LT(turns, 20);
}

}  // namespace
}  // namespace godwit::dns
