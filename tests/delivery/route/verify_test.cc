#include "delivery/route/verify.h"

#include "core/config/files.h"
#include "tests/support/scripted_resolver.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

class OneTransport final : public TransportNames {
 public:
  int find(std::string_view name) const override { return name == "local" ? 0 : -1; }
  bool is_local(int) const override { return true; }
  std::vector<std::string_view> all() const override { return {"local"}; }
};

class VerifyTest : public testing::Test {
 protected:
  void load(const std::string& routers) {
    config::MemoryFiles files;
    files.put("/c", "begin routers\n" + routers);
    config::Diagnostics diagnostics;
    const config::ConfigDocument document = config::read_document("/c", files, {}, diagnostics);
    lists_ = acl::NamedLists::compile_all(document, diagnostics);
    const RouterCompileContext context{*lists_, transports_, diagnostics};
    chain_ = RouterChain::compile(document, context);
    EXPECT_EQ(diagnostics.render_all(), "");
    server_.qualify_recipient = "q.test";
  }
  RouteQuery query(const std::string& local_part, RoutePurpose purpose) {
    RouteQuery out;
    out.local_part = local_part;
    out.domain = "q.test";
    out.server = &server_;
    out.purpose = purpose;
    return out;
  }
  // "ok", "failed: text", "deferred: text".
  std::string verify(const std::string& local_part, bool success_on_redirect = false,
                     RoutePurpose purpose = RoutePurpose::verify_recipient) {
    HostFinder hosts(resolver_, {});
    const VerifyAnswer answer = verify_address(
        *chain_, local_part + "@q.test", query(local_part, purpose), success_on_redirect, hosts);
    if (answer.verdict == VerifyVerdict::ok) return "ok";
    return (answer.verdict == VerifyVerdict::failed ? "failed: " : "deferred: ") + answer.text;
  }
  // "a<b<c b ..." of what is routed to a transport.
  std::string walk(const std::string& local_part) {
    HostFinder hosts(resolver_, {});
    const RoutedTree tree =
        route_all_of(*chain_, local_part + "@q.test", query(local_part, RoutePurpose::test), hosts);
    std::string out;
    for (size_t at : tree.order) {
      if (tree.addresses[at].result.status != RouteStatus::routed) continue;
      if (!out.empty()) out += ' ';
      for (size_t up = at; up != RoutedAddress::kNoParent; up = tree.addresses[up].parent)
        out += (up == at ? "" : "<") + tree.addresses[up].local_part;
    }
    return out;
  }

  test::ScriptedResolver resolver_;
  OneTransport transports_;
  acl::ServerFacts server_;
  std::shared_ptr<const acl::NamedLists> lists_;
  std::shared_ptr<const RouterChain> chain_;
};

constexpr const char* kAliases =
    "aliases:\n driver = redirect\n allow_fail\n allow_defer\n"
    " data = ${if eq{$local_part}{one}{user}{${if eq{$local_part}{two}{user, nobody}"
    "{${if eq{$local_part}{bad}{nobody}{${if eq{$local_part}{gone}{:fail: gone away}"
    "{${if eq{$local_part}{later}{:defer: not now}{${if "
    "eq{$local_part}{hole}{:blackhole:}}}}}}}}}}}}\n"
    "users:\n driver = accept\n local_parts = user : seen\n transport = local\n";

TEST_F(VerifyTest, OneChildStandsForTheAddressAndSeveralAreGoodEnough) {
  load(kAliases);
  EXPECT_EQ(verify("user"), "ok");
  EXPECT_EQ(verify("one"), "ok");
  EXPECT_EQ(verify("two"), "ok");
  EXPECT_EQ(verify("bad"), "failed: Unrouteable address");
  EXPECT_EQ(verify("bad", true), "ok");
  EXPECT_EQ(verify("gone"), "failed: gone away");
  EXPECT_EQ(verify("later"), "deferred: not now");
  EXPECT_EQ(verify("hole"), "ok");
  EXPECT_EQ(verify("nobody"), "failed: Unrouteable address");
}

TEST_F(VerifyTest, RoutersMaySayThatWhatTheyTakeIsNoGoodAddress) {
  load(
      "a:\n driver = accept\n local_parts = bad\n fail_verify_sender\n transport = local\n"
      "b:\n driver = accept\n verify_only\n local_parts = tested\n"
      "c:\n driver = accept\n no_verify\n transport = local\n");
  EXPECT_EQ(verify("bad", false, RoutePurpose::verify_sender),
            "failed: a router forced verify failure");
  EXPECT_EQ(verify("bad"), "ok");
  EXPECT_EQ(verify("tested"), "ok");
  EXPECT_EQ(verify("other"), "failed: Unrouteable address");
}

TEST_F(VerifyTest, TheWalkFollowsChildrenAndCopies) {
  load(
      "copy:\n driver = accept\n local_parts = seen\n unseen\n transport = local\n"
      "self:\n driver = redirect\n local_parts = user\n data = user, seen\n"
      "users:\n driver = accept\n local_parts = user : seen\n transport = local\n");
  EXPECT_EQ(walk("user"), "user<user seen<seen<user seen<seen<user");
}

TEST_F(VerifyTest, RedirectionForEverEnds) {
  load("grow:\n driver = redirect\n data = x$local_part@$domain\n");
  EXPECT_EQ(verify("a"), "failed: too many redirections of one address");
}

TEST_F(VerifyTest, PropertiesAndVariablesReachChildren) {
  load(
      "aliases:\n driver = redirect\n local_parts = a\n data = b\n address_data = of $local_part\n"
      " set = r_one = 1 ; r_two = ${local_part}2\n headers_add = X: 1\n"
      "users:\n driver = accept\n transport = local\n headers_add = Y: $r_one$r_two\n"
      " condition = ${if eq{$address_data}{of a}}\n");
  HostFinder hosts(resolver_, {});
  const RoutedTree tree =
      route_all_of(*chain_, "a@q.test", query("a", RoutePurpose::deliver), hosts);
  ASSERT_EQ(tree.addresses.size(), 2U);
  const AddressProperties& got = tree.addresses[1].result.properties;
  EXPECT_EQ(got.headers_add, (std::vector<std::string>{"X: 1", "Y: 1a2"}));
  EXPECT_EQ(got.address_data, "of a");
}

}  // namespace
}  // namespace godwit::delivery
