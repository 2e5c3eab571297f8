#include "delivery/route/router.h"

#include "core/config/files.h"

#include <gtest/gtest.h>

#include <map>

namespace godwit::delivery {
namespace {

// Names from a script; everything in 127/8 is this machine.
class ScriptedHosts final : public HostFinder {
 public:
  std::map<std::string, std::vector<IpAddress>> names;

  Task<Result<std::vector<IpAddress>>> find(std::string name) override {
    const Result<IpAddress> literal = IpAddress::parse(name);
    if (literal) co_return std::vector<IpAddress>(1, *literal);
    if (name == "later.test") co_return Error(Errc::timed_out, "scripted");
    const auto found = names.find(name);
    if (found == names.end()) co_return Error(Errc::not_found, "scripted");
    co_return found->second;
  }
  bool is_local(const IpAddress& address) const override { return address.is_loopback(); }
};

class TwoTransports final : public TransportNames {
 public:
  int find(std::string_view name) const override {
    return name == "remote" ? 0 : name == "local" ? 1 : -1;
  }
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
                    const std::string& sender = "a@b.test") {
    RouteQuery query;
    query.local_part = local_part;
    query.domain = domain;
    query.sender = sender;
    Task<RouteResult> task = chain_->route(query, hosts_);
    task.start();
    EXPECT_TRUE(task.done());
    return task.take();
  }
  std::string problems;
  ScriptedHosts hosts_;
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
  hosts_.names["host.test"] = {*IpAddress::parse("192.0.2.77")};
  EXPECT_EQ(route("x", "y.c.test").hosts->hosts[0].addresses[0].to_string(), "192.0.2.77");
  EXPECT_EQ(route("x", "none.test").status, RouteStatus::failed);
}

TEST_F(RouterTest, HostsThatCannotBeFoundDeferOrFreeze) {
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

TEST_F(RouterTest, MistakesAreNamedWithTheirPlace) {
  load(
      "a:\n driver = acept\n transport = local\n"
      "b:\n driver = accept\n"
      "c:\n driver = accept\n transport = remot\n"
      "d:\n driver = dnslookup\n transport = remote\n"
      "e:\n driver = manualroute\n transport = remote\n"
      "f:\n driver = accept\n transport = local\n check_local_user\n"
      "g:\n driver = accept\n transport = local\n self = sometimes\n");
  for (const char* text :
       {"/c:3:", "\"accept\"", "names no transport", "did you mean \"remote\"", "dnslookup",
        "needs one of route_list and route_data", "check_local_user", "sometimes"}) {
    EXPECT_NE(problems.find(text), std::string::npos) << text << " in\n" << problems;
  }
}

}  // namespace
}  // namespace godwit::delivery
