#include "acl/lookup/dnsdb_query.h"
#include "tests/acl/lookup/support.h"
#include "tests/support/scripted_resolver.h"

namespace godwit::acl {
namespace {

using dns::RrType;

class Dnsdb : public LookupTest {
 protected:
  void SetUp() override {
    resolver_.add_address("a.test", "192.0.2.1");
    resolver_.add_address("a.test", "192.0.2.2");
    resolver_.add_address("a.test", "2001:db8::1");
    resolver_.add_address("b.test", "192.0.2.3");
    resolver_.add_mx("a.test", 10, "mx1.test");
    resolver_.add_mx("a.test", 20, "mx2.test");
    resolver_.add("a.test", RrType::TXT, dns::Txt{{"one", "two"}});
    resolver_.add("a.test", RrType::SPF, dns::Txt{{"v=spf1", " -all"}});
    resolver_.add("zone.test", RrType::NS, dns::HostName{"ns.zone.test"});
    resolver_.add("zone.test", RrType::SOA, dns::Soa{"ns.zone.test", "root.test", 1, 2, 3, 4, 5});
    resolver_.add_service("_s._tcp.a.test", {1, 2, 25, "h.test"});
    resolver_.add("_25._tcp.a.test", RrType::TLSA, dns::Tlsa{3, 1, 1, "\xab\x01"});
    resolver_.add_pointer("4.2.0.192.in-addr.arpa", "four.test");
    resolver_.add_pointer(
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "six.test");
    resolver_.add_service("_client._smtp.csa.test", {1, 2, 1, "client.test"});
    resolver_.add_service("_client._smtp.zero.test", {1, 0, 0, "client.test"});
    resolver_.add_service("_client._smtp.two.test", {2, 2, 0, "client.test"});
    resolver_.add_service("_client._smtp.4.2.0.192.in-addr.arpa", {1, 3, 0, "client.test"});
    resolver_.add_alias("alias.test", "b.test");
    resolver_.fail("bad.test", RrType::A);
    LookupSetOptions options;
    options.resolver = &resolver_;
    start(options);
  }

  test::ScriptedResolver resolver_;
};

TEST_F(Dnsdb, PrintsEveryType) {
  struct Case {
    std::string_view query, want;
  };
  constexpr Case kCases[] = {
      {"a=a.test", "=192.0.2.1\n192.0.2.2"},
      {"A = a.test", "=192.0.2.1\n192.0.2.2"},
      {">: a=a.test:b.test", "=192.0.2.1:192.0.2.2:192.0.2.3"},
      {">; a+=a.test", "=2001:db8::1;192.0.2.1;192.0.2.2"},
      {"aaaa=a.test", "=2001:db8::1"},
      {"mx=a.test", "=10 mx1.test\n20 mx2.test"},
      {">:,- mx=a.test", "=10-mx1.test:20-mx2.test"},
      {"mxh=a.test", "=mx1.test\nmx2.test"},
      {"a.test", "=one"},
      {"txt=a.test", "=one"},
      {">:,, txt=a.test", "=one,two"},
      {">:; txt=a.test", "=onetwo"},
      {"spf=a.test", "=v=spf1 -all"},
      {"srv=_s._tcp.a.test", "=1 2 25 h.test"},
      {"tlsa=_25._tcp.a.test", "=3 1 1 ab01"},
      {"soa=x.y.zone.test", "=ns.zone.test"},
      {">:,; soa=zone.test", "=ns.zone.test;root.test;1;2;3;4;5"},
      {"zns=x.y.zone.test", "=ns.zone.test"},
      {"ns=x.zone.test", "none"},
      {"ptr=192.0.2.4", "=four.test"},
      {"ptr=2001:db8::1", "=six.test"},
      {"ptr=<; 192.0.2.4 ; 2001:db8::1", "=four.test\nsix.test"},
      {"cname=alias.test", "=b.test"},
      {"a=alias.test", "=192.0.2.3"},
      {"csa=csa.test", "=Y client.test"},
      {"csa=host.csa.test", "=X client.test"},
      {"csa=a.b.c.d.e.csa.test", "=X client.test"},
      {"csa=zero.test", "=N client.test"},
      {"csa=two.test", "none"},
      {"csa=192.0.2.4", "=? client.test"},
      {"csa=other.test", "none"},
      {"a=none.test", "none"},
      {"a=", "none"},
      {"hinfo=a.test", "error: unsupported DNS record type: hinfo"},
      {"defer_maybe,a=a.test",
       "error: unsupported dnsdb modifier, or no comma behind it: defer_maybe"},
      {"dnssec_never,retrans_5s,retry_2,a=b.test", "=192.0.2.3"},
  };
  for (const Case& c : kCases) EXPECT_EQ(ask("dnsdb", c.query), c.want) << c.query;
}

TEST_F(Dnsdb, TemporaryErrorsFollowTheModifier) {
  EXPECT_EQ(ask("dnsdb", "a=bad.test").substr(0, 13), "error: dnsdb:");
  EXPECT_EQ(ask("dnsdb", "a=bad.test:b.test"), "=192.0.2.3");
  EXPECT_EQ(ask("dnsdb", "defer_lax,a=b.test:bad.test"), "=192.0.2.3");
  EXPECT_EQ(ask("dnsdb", "defer_strict,a=b.test:bad.test").substr(0, 13), "error: dnsdb:");
  EXPECT_EQ(ask("dnsdb", "defer_never,a=bad.test"), "none");
  EXPECT_EQ(ask("dnsdb", "defer_lax,a=bad.test:none.test").substr(0, 13), "error: dnsdb:");
}

TEST_F(Dnsdb, SaysWhetherTheAnswerIsAuthenticated) {
  EXPECT_EQ(ask("dnsdb", "dnssec_strict,a=b.test"),
            "error: dnsdb: the answer for b.test is not authenticated");
  EXPECT_EQ((*find("dnsdb", {}, "a=b.test"))->dnssec, std::optional<bool>(false));
  resolver_.secure = true;
  EXPECT_EQ(ask("dnsdb", "dnssec_strict,a=b.test"), "=192.0.2.3");
  EXPECT_EQ((*find("dnsdb", {}, "a=b.test"))->dnssec, std::optional<bool>(true));
  EXPECT_EQ((*find("dnsdb", {}, "dnssec_never,a=b.test"))->dnssec, std::nullopt);
}

}  // namespace
}  // namespace godwit::acl
