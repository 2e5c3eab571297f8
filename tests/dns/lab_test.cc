// Against a validating server; tests/e2e/test_dns.py starts one and sets GODWIT_DNS_LAB to its
// address and port.
#include "core/base/ascii.h"
#include "dns/questions.h"
#include "dns/stub_resolver.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

namespace godwit::dns {
namespace {

class DnsLab : public testing::Test {
 protected:
  void SetUp() override {
    const char* place = std::getenv("GODWIT_DNS_LAB");
    if (place == nullptr) GTEST_SKIP() << "GODWIT_DNS_LAB is not set: no name server to ask";
    const std::string_view text(place);
    const size_t colon = text.rfind(':');
    StubOptions options;
    options.ladder = {Millis{1500}};
    options.upstreams = {{{*IpAddress::parse(text.substr(0, colon)),
                           static_cast<uint16_t>(*parse_decimal(text.substr(colon + 1)))},
                          true}};
    resolver_ = std::make_unique<StubResolver>(loop_, options);
  }
  void TearDown() override {
    if (resolver_ == nullptr) return;
    Scope scope;
    scope.spawn(resolver_->close());
    while (scope.running() > 0) loop_.run_once();
  }
  Loop loop_;
  std::unique_ptr<StubResolver> resolver_;
};

TEST_F(DnsLab, EveryKindOfAnswer) {
  struct Case {
    std::string name;
    RrType type;
    std::string_view want;  // status and security, or "error"
  };
  const Case cases[] = {
      {"signed.test", RrType::MX, "found secure"},
      {"mx1.signed.test", RrType::A, "found secure"},
      {"_25._tcp.mx1.signed.test", RrType::TLSA, "found secure"},
      {"chain1.signed.test", RrType::A, "found secure"},
      {"null.signed.test", RrType::MX, "found secure"},
      {"nothere.signed.test", RrType::A, "no_name secure"},
      {"dangling.signed.test", RrType::A, "no_name secure"},
      {"mx1.signed.test", RrType::AAAA, "no_data secure"},
      {"toinsecure.signed.test", RrType::A, "found insecure"},
      {"huge.signed.test", RrType::TXT, "found secure"},
      {"insecure.test", RrType::MX, "found insecure"},
      {"nothere.insecure.test", RrType::A, "no_name insecure"},
      {"1.0.0.127.in-addr.arpa", RrType::PTR, "found insecure"},
      {"_smtp._tcp.service.insecure.test", RrType::SRV, "found insecure"},
      {"bogus.test", RrType::MX, "error"},
      {"loop1.insecure.test", RrType::A, "error"},
      {"x.hole.test", RrType::A, "error"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(to_string(c.type) + " " + c.name);
    const Result<Answer> answer = test::run_task(loop_, resolver_->query(c.name, c.type));
    if (!answer) {
      EXPECT_EQ(c.want, "error") << answer.error().to_string();
      EXPECT_TRUE(answer.error().is_temporary());
      continue;
    }
    const std::string status = answer->found()                           ? "found"
                               : answer->status == AnswerStatus::no_name ? "no_name"
                                                                         : "no_data";
    EXPECT_EQ(status + (answer->secure ? " secure" : " insecure"), c.want);
  }
  EXPECT_EQ(resolver_->stats().over_tcp, 1u);
}

TEST_F(DnsLab, NamesOfClients) {
  const auto good =
      test::run_task(loop_, reverse_lookup(*resolver_, *IpAddress::parse("127.0.0.1")));
  ASSERT_TRUE(good);
  EXPECT_EQ(good->names, std::vector<std::string>{"mx1.insecure.test"});
  const auto liar =
      test::run_task(loop_, reverse_lookup(*resolver_, *IpAddress::parse("127.0.0.2")));
  ASSERT_TRUE(liar);
  EXPECT_EQ(liar->status, ReverseStatus::not_confirmed);
  const auto none =
      test::run_task(loop_, reverse_lookup(*resolver_, *IpAddress::parse("127.0.0.3")));
  ASSERT_TRUE(none);
  EXPECT_EQ(none->status, ReverseStatus::no_name);
}

}  // namespace
}  // namespace godwit::dns
