#include "delivery/route/router.h"

#include "core/config/files.h"
#include "tests/support/scripted_resolver.h"

#include <gtest/gtest.h>

#include <map>

namespace godwit::delivery {
namespace {

class TwoTransports final : public TransportNames {
 public:
  int find(std::string_view name) const override {
    return name == "remote" ? 0 : name == "local" ? 1 : -1;
  }
  bool is_local(int index) const override { return index == 1; }
  std::vector<std::string_view> all() const override { return {"remote", "local"}; }
};

class RouterTest : public testing::Test {
 protected:
  // Compiles the text of a routers section; the diagnoses are in `problems`.
  void load(const std::string& routers, const std::string& main = "") {
    config::MemoryFiles files;
    files.put("/c", main + "begin routers\n" + routers);
    diagnostics_ = std::make_unique<config::Diagnostics>();
    const config::ConfigDocument document = config::read_document("/c", files, {}, *diagnostics_);
    lists_ = acl::NamedLists::compile_all(document, *diagnostics_);
    const RouterCompileContext context{*lists_, transports_, *diagnostics_};
    chain_ = RouterChain::compile(document, context);
    problems = diagnostics_->render_all();
  }
  RouteResult route(const std::string& local_part, const std::string& domain,
                    const std::string& sender = "a@b.test", const RouteAncestor* parent = nullptr) {
    RouteQuery query;
    query.parent = parent;
    query.local_part = local_part;
    query.domain = domain;
    query.sender = sender;
    HostFinder hosts(resolver_, policy_);
    return chain_->route(query, hosts);
  }
  std::string problems;
  test::ScriptedResolver resolver_;  // answers at once, so that no fiber is needed
  HostPolicy policy_{.own_addresses = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")}};
  TwoTransports transports_;
  std::unique_ptr<config::Diagnostics> diagnostics_;
  std::shared_ptr<const acl::NamedLists> lists_;
  std::shared_ptr<const RouterChain> chain_;
};

TEST_F(RouterTest, TheFirstRouterWhosePreconditionsHoldTakesTheAddress) {
  load(
      "locals:\n driver = accept\n domains = local.test\n local_parts = ^[a-z]\n transport = "
      "local\n"
      "rest:\n driver = manualroute\n route_list = * \"192.0.2.1 : 192.0.2.2\"\n transport = "
      "remote\n");
  EXPECT_EQ(problems, "");
  RouteResult result = route("User", "local.test");
  EXPECT_EQ(result.status, RouteStatus::routed);
  EXPECT_EQ(result.router->name(), "locals");
  EXPECT_EQ(result.transport, 1);
  EXPECT_EQ(result.local_part, "user");
  EXPECT_EQ(result.hosts, nullptr);
  result = route("1user", "local.test");
  EXPECT_EQ(result.router->name(), "rest");
  ASSERT_NE(result.hosts, nullptr);
  ASSERT_EQ(result.hosts->hosts.size(), 2U);
  EXPECT_LT(result.hosts->hosts[0].preference, result.hosts->hosts[1].preference);
}

TEST_F(RouterTest, AnAddressThatNobodyTakesIsUnrouteable) {
  load("one:\n driver = accept\n domains = local.test\n transport = local\n");
  RouteResult result = route("x", "other.test");
  EXPECT_EQ(result.status, RouteStatus::failed);
  EXPECT_EQ(result.message, "Unrouteable address");
}

TEST_F(RouterTest, NoMoreStopsTheChain) {
  load(
      "one:\n driver = manualroute\n domains = stop.test\n route_list = none.test 192.0.2.1\n "
      "transport = remote\n"
      " no_more\n cannot_route_message = not here: $domain\n"
      "two:\n driver = accept\n transport = local\n");
  EXPECT_EQ(problems, "");
  RouteResult result = route("x", "stop.test");
  EXPECT_EQ(result.status, RouteStatus::failed);
  EXPECT_EQ(result.message, "not here: stop.test");
  EXPECT_EQ(route("x", "go.test").router->name(), "two");
}

TEST_F(RouterTest, AffixesAreTakenOff) {
  load(
      "lists:\n driver = accept\n local_part_prefix = owner-\n local_part_suffix = +*\n "
      "local_part_suffix_optional\n"
      " transport = local\n"
      "rest:\n driver = accept\n transport = remote\n");
  EXPECT_EQ(problems, "");
  EXPECT_EQ(route("owner-list", "x.test").local_part, "list");
  EXPECT_EQ(route("owner-list+tag", "x.test").local_part, "list");
  EXPECT_EQ(route("list+tag", "x.test").router->name(), "rest");
  // The names of Exim 3.
  load(
      "lists:\n driver = accept\n prefix = owner-\n prefix_optional\n suffix = +*\n "
      "suffix_optional\n"
      " transport = local\n");
  EXPECT_EQ(problems, "");
  for (const char* local_part : {"list", "owner-list", "list+tag", "owner-list+tag"})
    EXPECT_EQ(route(local_part, "x.test").local_part, "list");
}

TEST_F(RouterTest, ManualRoutesHavePortsOptionsAndTransports) {
  load(
      "m:\n driver = manualroute\n transport = remote\n"
      " route_list = a.test \"<, 192.0.2.1:2525 , [2001:db8::1]:26\" randomize ; b.test 192.0.2.9 "
      "byname local ; "
      "*.c.test host.test\n");
  EXPECT_EQ(problems, "");
  RouteResult result = route("x", "a.test");
  ASSERT_EQ(result.status, RouteStatus::routed) << result.message;
  ASSERT_EQ(result.hosts->hosts.size(), 2U);
  EXPECT_EQ(result.hosts->hosts[0].name, "192.0.2.1");
  EXPECT_EQ(result.hosts->hosts[0].port, 2525);
  EXPECT_EQ(result.hosts->hosts[1].addresses[0].to_string(), "2001:db8::1");
  EXPECT_EQ(result.hosts->hosts[1].port, 26);
  EXPECT_TRUE(result.hosts->randomize);
  EXPECT_EQ(route("x", "b.test").transport, 1);
  resolver_.add_address("host.test", "192.0.2.77");
  EXPECT_EQ(route("x", "y.c.test").hosts->hosts[0].addresses[0].to_string(), "192.0.2.77");
  EXPECT_EQ(route("x", "none.test").status, RouteStatus::failed);
}

TEST_F(RouterTest, HostsThatCannotBeFoundDeferOrFreeze) {
  resolver_.fail("later.test", dns::RrType::A);
  resolver_.fail("later.test", dns::RrType::AAAA);
  load(
      "m:\n driver = manualroute\n transport = remote\n route_list = a.test later.test ; b.test "
      "gone.test\n");
  EXPECT_EQ(route("x", "a.test").status, RouteStatus::deferred);
  EXPECT_EQ(route("x", "b.test").status, RouteStatus::frozen);
  load(
      "m:\n driver = manualroute\n transport = remote\n host_find_failed = ignore\n"
      " route_list = * \"gone.test : 192.0.2.1\"\n");
  EXPECT_EQ(route("x", "b.test").hosts->hosts.size(), 1U);
}

TEST_F(RouterTest, TheLocalHostIsWhatSelfSays) {
  load("m:\n driver = manualroute\n transport = remote\n route_list = * 127.0.0.1\n");
  EXPECT_EQ(route("x", "a.test").status, RouteStatus::frozen);
  load("m:\n driver = manualroute\n transport = remote\n self = send\n route_list = * 127.0.0.1\n");
  EXPECT_EQ(route("x", "a.test").status, RouteStatus::routed);
  load(
      "m:\n driver = manualroute\n transport = remote\n self = pass\n route_list = * 127.0.0.1\n"
      "n:\n driver = accept\n transport = local\n");
  EXPECT_EQ(route("x", "a.test").router->name(), "n");
}

TEST_F(RouterTest, ConditionsAndSendersDecide) {
  load(
      "m:\n driver = accept\n transport = remote\n condition = ${if eq{$local_part}{yes}}\n "
      "senders = : *@good.test\n"
      "n:\n driver = accept\n transport = local\n");
  EXPECT_EQ(problems, "");
  EXPECT_EQ(route("yes", "a.test", "x@good.test").router->name(), "m");
  EXPECT_EQ(route("yes", "a.test", "").router->name(), "m");
  EXPECT_EQ(route("yes", "a.test", "x@bad.test").router->name(), "n");
  EXPECT_EQ(route("no", "a.test", "x@good.test").router->name(), "n");
}

TEST_F(RouterTest, AddressesOfHostsAreTranslated) {
  load(
      "m:\n driver = manualroute\n transport = remote\n route_list = * 192.0.2.1:198.51.100.7\n"
      " translate_ip_address = ${if match{$host_address}{^192}{10.0.0.1}fail}\n");
  EXPECT_EQ(problems, "");
  const RouteResult result = route("x", "a.test");
  ASSERT_EQ(result.status, RouteStatus::routed) << result.message;
  ASSERT_EQ(result.hosts->hosts.size(), 2U);
  EXPECT_EQ(result.hosts->hosts[0].addresses.at(0).to_string(), "10.0.0.1");
  EXPECT_EQ(result.hosts->hosts[1].addresses.at(0).to_string(), "198.51.100.7");
}

TEST_F(RouterTest, MistakesAreNamedWithTheirPlace) {
  load(
      "a:\n driver = acept\n transport = local\n"
      "b:\n driver = accept\n"
      "c:\n driver = accept\n transport = remot\n"
      "d:\n driver = queryprogram\n transport = remote\n"
      "e:\n driver = manualroute\n transport = remote\n"
      "g:\n driver = accept\n transport = local\n self = sometimes\n");
  for (const char* text : {"/c:3:", "\"accept\"", "names no transport", "did you mean \"remote\"",
                           "\"d\" needs a command", "\"d\" needs a command_user",
                           "needs one of route_list and route_data", "sometimes"}) {
    EXPECT_NE(problems.find(text), std::string::npos) << text << " in\n" << problems;
  }
}

// --- Hosts from the DNS --------------------------------------------------------------------------

class DnslookupTest : public RouterTest {
 protected:
  // A router with these options, and one that takes what it declines or passes on.
  void load_options(const std::string& options) {
    load("d:\n driver = dnslookup\n transport = remote\n" + options +
         "rest:\n driver = accept\n transport = local\n");
    EXPECT_EQ(problems, "");
  }
  // "a.test/10=192.0.2.1,192.0.2.2 b.test/20=..."
  std::string hosts_of(const std::string& domain) {
    RouteResult result = route("x", domain);
    if (result.is_rerouted) {
      const std::string new_domain = result.children.front().domain;
      return new_domain + (result.rewrites_headers ? "! " : ": ") + hosts_of(new_domain);
    }
    if (result.router != nullptr && result.router->name() == "rest") return "declined";
    switch (result.status) {
      case RouteStatus::failed:
        return "failed: " + result.message;
      case RouteStatus::deferred:
        return "deferred: " + result.message;
      case RouteStatus::frozen:
        return "frozen: " + result.message;
      case RouteStatus::redirected:
        return "redirected";
      case RouteStatus::discarded:
        return "discarded";
      case RouteStatus::routed:
        break;
    }
    std::string out;
    for (const RouteHost& host : result.hosts->hosts) {
      out += (&host == &result.hosts->hosts.front() ? "" : " ") + host.name;
      if (host.port != 0) out += ":" + std::to_string(host.port);
      out += "/" + std::to_string(host.preference) + (host.secure ? "*" : "") + "=";
      for (const IpAddress& address : host.addresses)
        out += (&address == &host.addresses.front() ? "" : ",") + address.to_string();
    }
    return out;
  }
  void SetUp() override {
    resolver_.add_mx("mx.test", 20, "b.mx.test");
    resolver_.add_mx("mx.test", 10, "a.mx.test");
    resolver_.add_mx("mx.test", 10, "gone.mx.test");
    resolver_.add_address("a.mx.test", "192.0.2.1");
    resolver_.add_address("a.mx.test", "2001:db8::1");
    resolver_.add_address("b.mx.test", "192.0.2.2");
    resolver_.add_address("plain.test", "192.0.2.3");
    resolver_.add_text("nothing.test", "no mail here");
    resolver_.add_mx("null.test", 0, ".");
    resolver_.add_mx("dead.test", 10, "gone.mx.test");
    resolver_.fail("later.test", dns::RrType::MX);
    resolver_.add_address("later.test", "192.0.2.4");
    resolver_.add_mx("half.test", 10, "slow.test");
    resolver_.add_mx("half.test", 20, "b.mx.test");
    resolver_.add_mx("slowonly.test", 10, "slow.test");
    resolver_.fail("slow.test", dns::RrType::A);
    resolver_.fail("slow.test", dns::RrType::AAAA);
    resolver_.add_mx("literal.test", 10, "192.0.2.9");
    resolver_.add_mx("here.test", 10, "self.test");
    resolver_.add_mx("second.test", 10, "a.mx.test");
    resolver_.add_mx("second.test", 20, "b.mx.test");
    resolver_.add_mx("second.test", 20, "self.test");
    resolver_.add_mx("second.test", 30, "plain.test");
    resolver_.add_address("self.test", "127.0.0.1");
    resolver_.add_alias("alias.test", "mx.test");
    resolver_.add_alias("hostalias.test", "plain.test");
    resolver_.add_mx("aliasmx.test", 10, "hostalias.test");
  }
};

TEST_F(DnslookupTest, TheUsualCases) {
  load_options(" no_more\n");
  struct Case {
    std::string domain, want;
  };
  const Case cases[] = {
      {"mx.test", "a.mx.test/10=2001:db8::1,192.0.2.1 b.mx.test/20=192.0.2.2"},
      {"plain.test", "plain.test/0=192.0.2.3"},
      {"alias.test", "a.mx.test/10=2001:db8::1,192.0.2.1 b.mx.test/20=192.0.2.2"},
      {"none.test", "failed: Unrouteable address"},
      {"nothing.test", "failed: Unrouteable address"},
      {"null.test", "failed: an MX or SRV record indicated no SMTP service"},
      {"dead.test", "failed: all relevant MX records point to non-existent hosts"},
      {"later.test", "deferred: host lookup did not complete"},
      {"half.test", "b.mx.test/20=192.0.2.2"},
      {"slowonly.test", "deferred: host lookup did not complete"},
      {"here.test", "frozen: lowest numbered MX record points to local host"},
      {"self.test", "frozen: remote host address is the local host"},
      {"second.test", "a.mx.test/10=2001:db8::1,192.0.2.1"},
      {"[192.0.2.1]", "failed: mail domain \"[192.0.2.1]\" is syntactically invalid"},
      {"literal.test",
       "failed: all relevant MX records point to non-existent hosts or (invalidly) to IP "
       "addresses"},
      {"hostalias.test", "plain.test/0=192.0.2.3"},
      {"aliasmx.test", "plain.test/10=192.0.2.3"},
  };
  for (const Case& c : cases) EXPECT_EQ(hosts_of(c.domain), c.want) << c.domain;
}

TEST_F(DnslookupTest, TheOptionsOfTheRouter) {
  resolver_.add_service("_smtp._tcp.srv.test", {10, 5, 2525, "a.mx.test"});
  resolver_.add_mx("srv.test", 10, "b.mx.test");
  resolver_.add_service("_smtp._tcp.nosrv.test", {0, 0, 0, "."});
  resolver_.fail("_smtp._tcp.later.test", dns::RrType::SRV);
  struct Case {
    std::string options, domain, want;
  };
  const Case cases[] = {
      {" ipv4_only = yes\n", "mx.test", "a.mx.test/10=192.0.2.1 b.mx.test/20=192.0.2.2"},
      {" ipv4_only = no\n ipv4_prefer = yes\n", "mx.test",
       "a.mx.test/10=192.0.2.1,2001:db8::1 b.mx.test/20=192.0.2.2"},
      {" ignore_target_hosts = <; 192.0.2.1 ; 2001:db8::/32\n", "mx.test",
       "b.mx.test/20=192.0.2.2"},
      {" ignore_target_hosts = 192.0.2.3\n", "plain.test", "declined"},
      {" mx_domains = plain.test\n", "plain.test", "declined"},
      {" mx_domains = plain.test\n", "mx.test",
       "a.mx.test/10=2001:db8::1,192.0.2.1 b.mx.test/20=192.0.2.2"},
      {" mx_fail_domains = later.test\n", "later.test", "later.test/0=192.0.2.4"},
      {" pass_on_timeout\n no_more\n", "later.test", "declined"},
      {" fail_defer_domains = none.test\n", "none.test",
       "deferred: missing MX, or all MXs point to missing A records, and defer requested"},
      {" check_srv = smtp\n", "srv.test", "a.mx.test:2525/10=2001:db8::1,192.0.2.1"},
      {" check_srv = smtp\n", "mx.test",
       "a.mx.test/10=2001:db8::1,192.0.2.1 b.mx.test/20=192.0.2.2"},
      {" check_srv = ${if eq{1}{2}{smtp}fail}\n", "srv.test", "b.mx.test/10=192.0.2.2"},
      {" check_srv = smtp\n no_more\n", "nosrv.test",
       "failed: an MX or SRV record indicated no SMTP service"},
      {" check_srv = smtp\n", "later.test", "deferred: host lookup did not complete"},
      {" check_srv = smtp\n srv_fail_domains = *\n mx_fail_domains = *\n", "later.test",
       "later.test/0=192.0.2.4"},
      {" check_secondary_mx\n", "mx.test", "declined"},
      {" check_secondary_mx\n no_more\n", "mx.test", "failed: Unrouteable address"},
      {" check_secondary_mx\n", "here.test",
       "frozen: lowest numbered MX record points to local host"},
      {" check_secondary_mx\n", "second.test", "a.mx.test/10=2001:db8::1,192.0.2.1"},
      {" widen_domains = other : mx.test\n", "a", "a.mx.test! a.mx.test/0=2001:db8::1,192.0.2.1"},
      {" widen_domains = mx.test\n no_rewrite_headers\n", "b", "b.mx.test: b.mx.test/0=192.0.2.2"},
      {" self = send\n", "here.test", "self.test/10=127.0.0.1"},
      {" self = pass\n no_more\n", "here.test", "declined"},
      {" self = fail\n", "here.test", "failed: lowest numbered MX record points to local host"},
      {" self = defer\n", "here.test", "deferred: lowest numbered MX record points to local host"},
      {" self = reroute: plain.test\n", "here.test", "plain.test: plain.test/0=192.0.2.3"},
      {" self = reroute: rewrite: Plain.test\n", "here.test", "plain.test! plain.test/0=192.0.2.3"},
      {" cannot_route_message = no way to $domain\n no_more\n", "null.test",
       "failed: no way to null.test"},
  };
  for (const Case& c : cases) {
    load_options(c.options);
    EXPECT_EQ(hosts_of(c.domain), c.want) << c.options << c.domain;
  }
}

TEST_F(DnslookupTest, ShortNamesAreCompletedAsTheSystemDoes) {
  policy_.search = {"mx.test", "test"};
  load_options("");
  EXPECT_EQ(hosts_of("b"), "b.mx.test! b.mx.test/0=192.0.2.2");
  load_options(" no_qualify_single\n");
  EXPECT_EQ(hosts_of("b"), "declined");
  load_options(" search_parents\n");
  EXPECT_EQ(hosts_of("a.mx"), "a.mx.test! a.mx.test/0=2001:db8::1,192.0.2.1");
}

TEST_F(DnslookupTest, NamesThatMayStandForOthersAreTriedInTheOrderOfTheSystem) {
  policy_.search = {"mx.test", "test"};
  const HostFinder finder(resolver_, policy_);
  using Names = std::vector<std::string>;
  EXPECT_EQ(finder.full_names("b", true, false), (Names{"b.mx.test", "b"}));
  EXPECT_EQ(finder.full_names("b", false, false), Names{"b"});
  EXPECT_EQ(finder.full_names("a.b", true, false), Names{"a.b"});
  EXPECT_EQ(finder.full_names("a.b", true, true), (Names{"a.b", "a.b.mx.test", "a.b.test"}));
  EXPECT_EQ(finder.full_names("192.0.2.1", true, true), Names{"192.0.2.1"});
  EXPECT_EQ(finder.full_names("2001:db8::1", true, true), Names{"2001:db8::1"});
}

TEST_F(DnslookupTest, SecureHostsAreMarkedAndInsecureOnesRefused) {
  resolver_.secure = true;
  load_options("");
  EXPECT_EQ(hosts_of("plain.test"), "plain.test/0*=192.0.2.3");
  resolver_.make_insecure("b.mx.test");
  EXPECT_EQ(hosts_of("mx.test"), "a.mx.test/10*=2001:db8::1,192.0.2.1 b.mx.test/20=192.0.2.2");
  load_options(" dnssec_request_domains = !plain.test\n");
  EXPECT_EQ(hosts_of("plain.test"), "plain.test/0=192.0.2.3");
  load_options(" dnssec_require_domains = *\n");
  resolver_.make_insecure("mx.test");
  EXPECT_EQ(hosts_of("mx.test"), "deferred: host lookup done insecurely");
}

TEST_F(DnslookupTest, InternationalDomainsAreAskedAsALabels) {
  resolver_.add_address("xn--bcher-kva.test", "192.0.2.6");
  load_options("");
  EXPECT_EQ(hosts_of("b\xc3\xbc"
                     "cher.test"),
            "xn--bcher-kva.test/0=192.0.2.6");
}

TEST_F(DnslookupTest, AnMxToAnAddressIsTakenWhereAllowed) {
  policy_.mx_to_ip = true;
  load_options("");
  EXPECT_EQ(hosts_of("literal.test"), "192.0.2.9/10=192.0.2.9");
}

TEST_F(DnslookupTest, ListsOfTheMainOptionsCount) {
  load("d:\n driver = dnslookup\n transport = remote\n no_more\n",
       "domainlist four = a.mx.test\ndomainlist us = b.mx.test\n");
  ASSERT_EQ(problems, "");
  const auto four = lists_->find(config::ListKind::domain, "four");
  const auto us = lists_->find(config::ListKind::domain, "us");
  policy_.v4_only_domains = four.get();
  EXPECT_EQ(hosts_of("mx.test"), "a.mx.test/10=192.0.2.1 b.mx.test/20=192.0.2.2");
  policy_.treat_as_local = us.get();
  EXPECT_EQ(hosts_of("mx.test"), "a.mx.test/10=192.0.2.1");
}

TEST_F(DnslookupTest, ManualroutesAskByNameByDnsAndForExchangers) {
  policy_.hosts_file = dns::HostsFile::parse("192.0.2.50 a.mx.test\n192.0.2.51 onlyhere.test\n");
  struct Case {
    std::string route, want;
  };
  const Case cases[] = {
      {"* a.mx.test byname", "a.mx.test/1=192.0.2.50"},
      {"* a.mx.test bydns", "a.mx.test/1=2001:db8::1,192.0.2.1"},
      {"* a.mx.test", "a.mx.test/1=2001:db8::1,192.0.2.1"},
      {"* a.mx.test ipv4_only", "a.mx.test/1=192.0.2.1"},
      {"* onlyhere.test", "onlyhere.test/1=192.0.2.51"},
      {"* onlyhere.test bydns", "frozen: lookup of host \"onlyhere.test\" failed in d router"},
      {"* \"plain.test : mx.test/MX::26\"",
       "plain.test/1=192.0.2.3 a.mx.test:26/3=2001:db8::1,192.0.2.1 b.mx.test:26/4=192.0.2.2"},
      {"* \"plain.test : 127.0.0.1 : b.mx.test\"", "plain.test/1=192.0.2.3"},
      {"* gone.test/MX", "frozen: lookup of host \"gone.test\" failed in d router"},
      {"* here.test/MX", "frozen: lowest numbered MX record points to local host"},
      {"* slow.test", "deferred: host lookup for slow.test did not complete (DNS timeout?)"},
      {"^(.*)\\\\.test b.$1.test", "b.mx.test/1=192.0.2.2"},
      {"*.test a.$1.test bydns", "a.mx.test/1=2001:db8::1,192.0.2.1"},
      {"* b.$0", "b.mx.test/1=192.0.2.2"},
  };
  for (const Case& c : cases) {
    load("d:\n driver = manualroute\n transport = remote\n no_more\n route_list = " + c.route +
         "\n");
    EXPECT_EQ(problems, "");
    EXPECT_EQ(hosts_of("mx.test"), c.want) << c.route;
  }
  load(
      "d:\n driver = manualroute\n transport = remote\n ignore_target_hosts = 192.0.2.3\n no_more\n"
      " route_list = * plain.test\n");
  EXPECT_EQ(hosts_of("mx.test"),
            "deferred: lookup failed for all hosts in d router: host_find_failed=ignore "
            "host_all_ignored=defer");
}

TEST_F(DnslookupTest, AddressLiteralsAreHosts) {
  load(
      "d:\n driver = ipliteral\n transport = remote\n ignore_target_hosts = 192.0.2.7\n"
      "rest:\n driver = accept\n transport = local\n");
  EXPECT_EQ(problems, "");
  EXPECT_EQ(hosts_of("[192.0.2.1]"), "[192.0.2.1]/0=192.0.2.1");
  EXPECT_EQ(hosts_of("[ipv6:2001:db8::1]"), "[ipv6:2001:db8::1]/0=2001:db8::1");
  EXPECT_EQ(hosts_of("[192.0.2.7]"), "declined");
  EXPECT_EQ(hosts_of("[192.0.2]"), "declined");
  EXPECT_EQ(hosts_of("a.test"), "declined");
  EXPECT_EQ(hosts_of("[127.0.0.1]"), "frozen: remote host address is the local host");
}

TEST_F(DnslookupTest, ReroutingInACircleEnds) {
  load_options(" self = reroute: here.test\n");
  RouteResult result = route("x", "here.test");
  ASSERT_TRUE(result.is_rerouted);
  EXPECT_FALSE(result.rewrites_headers);
  const RouteAncestor before{"x", "here.test", result.router, nullptr};
  result = route("x", "here.test", "a@b.test", &before);
  EXPECT_EQ(result.router->name(), "rest");
}

}  // namespace
}  // namespace godwit::delivery
