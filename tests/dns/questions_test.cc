#include "dns/questions.h"

#include "dns/hosts_file.h"
#include "dns/resolv_conf.h"
#include "tests/support/scripted_resolver.h"

#include <gtest/gtest.h>

namespace godwit::dns {
namespace {

template <class T>
T finish(Task<T> task) {
  task.start();
  EXPECT_TRUE(task.done());
  return task.take();
}

std::string join(const std::vector<IpAddress>& addresses) {
  std::string out;
  for (const IpAddress& address : addresses) out += (out.empty() ? "" : " ") + address.to_string();
  return out;
}

class QuestionsTest : public testing::Test {
 protected:
  test::ScriptedResolver resolver_;
};

TEST_F(QuestionsTest, AddressesComeInTheWantedOrderAndFamily) {
  resolver_.add_address("h.test", "192.0.2.1");
  resolver_.add_address("h.test", "2001:db8::1");
  struct Case {
    Family family;
    bool v4_first;
    std::string_view want;
  };
  for (const Case& c :
       {Case{Family::both, false, "2001:db8::1 192.0.2.1"},
        Case{Family::both, true, "192.0.2.1 2001:db8::1"},
        Case{Family::v4_only, false, "192.0.2.1"}, Case{Family::v6_only, true, "2001:db8::1"}}) {
    AddressOptions options;
    options.family = c.family;
    options.v4_first = c.v4_first;
    const auto found = finish(host_addresses(resolver_, "h.test", options));
    ASSERT_TRUE(found);
    EXPECT_EQ(join(found->addresses), c.want);
  }
}

TEST_F(QuestionsTest, OneFamilyThatCannotBeAskedDoesNotHideTheOther) {
  resolver_.add_address("h.test", "192.0.2.1");
  resolver_.fail("h.test", RrType::AAAA);
  EXPECT_EQ(join(finish(host_addresses(resolver_, "h.test"))->addresses), "192.0.2.1");
  resolver_.fail("h.test", RrType::A);
  EXPECT_FALSE(finish(host_addresses(resolver_, "h.test")));
  resolver_.add_text("t.test", "x");
  resolver_.fail("t.test", RrType::A);
  EXPECT_FALSE(finish(host_addresses(resolver_, "t.test")));
}

TEST_F(QuestionsTest, AddressesAreSecureOnlyWhereAllAnswersWere) {
  resolver_.secure = true;
  resolver_.add_alias("a.test", "h.test");
  resolver_.add_address("h.test", "192.0.2.1");
  auto found = finish(host_addresses(resolver_, "a.test"));
  EXPECT_TRUE(found->secure);
  EXPECT_EQ(found->name, "h.test");
  resolver_.make_insecure("h.test");
  EXPECT_FALSE(finish(host_addresses(resolver_, "a.test"))->secure);
  EXPECT_EQ(finish(host_addresses(resolver_, "gone.test"))->status, AnswerStatus::no_name);
}

TEST_F(QuestionsTest, ExchangersAreSortedAndANullMxIsSaid) {
  resolver_.add_mx("d.test", 20, "b.test");
  resolver_.add_mx("d.test", 10, "a.test");
  resolver_.add_mx("d.test", 30, "A.test");
  resolver_.add_mx("null.test", 0, ".");
  const auto found = finish(mail_exchangers(resolver_, "d.test"));
  ASSERT_EQ(found->hosts.size(), 2u);
  EXPECT_EQ(found->hosts[0].exchange, "a.test");
  EXPECT_FALSE(found->null_mx);
  const auto none = finish(mail_exchangers(resolver_, "null.test"));
  EXPECT_TRUE(none->null_mx);
  EXPECT_TRUE(none->hosts.empty());
}

TEST_F(QuestionsTest, ReverseNamesOfBothFamilies) {
  EXPECT_EQ(reverse_name(*IpAddress::parse("192.0.2.130")), "130.2.0.192.in-addr.arpa");
  EXPECT_EQ(reverse_name(*IpAddress::parse("2001:db8::1")),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_F(QuestionsTest, AClientsNameMustLeadBack) {
  const IpAddress client = *IpAddress::parse("192.0.2.1");
  EXPECT_EQ(finish(reverse_lookup(resolver_, client))->status, ReverseStatus::no_name);
  resolver_.add_pointer("1.2.0.192.in-addr.arpa", "Liar.test");
  EXPECT_EQ(finish(reverse_lookup(resolver_, client))->status, ReverseStatus::not_confirmed);
  resolver_.add_pointer("1.2.0.192.in-addr.arpa", "host.test");
  resolver_.add_address("host.test", "192.0.2.1");
  const auto found = finish(reverse_lookup(resolver_, client));
  EXPECT_EQ(found->status, ReverseStatus::confirmed);
  EXPECT_EQ(found->names, std::vector<std::string>{"host.test"});
  EXPECT_EQ(found->unmatched, std::vector<std::string>{"liar.test"});
}

TEST_F(QuestionsTest, AReverseThatCannotBeAskedIsAnError) {
  const IpAddress client = *IpAddress::parse("192.0.2.1");
  resolver_.fail("1.2.0.192.in-addr.arpa", RrType::PTR);
  EXPECT_FALSE(finish(reverse_lookup(resolver_, client)));
  const HostsFile hosts = HostsFile::parse("192.0.2.1 local.test\n");
  ReverseOptions options;
  options.hosts_file = &hosts;
  EXPECT_EQ(finish(reverse_lookup(resolver_, client, options))->names[0], "local.test");
  resolver_.add_pointer("2.2.0.192.in-addr.arpa", "slow.test");
  resolver_.fail("slow.test", RrType::A);
  EXPECT_FALSE(finish(reverse_lookup(resolver_, *IpAddress::parse("192.0.2.2"))));
}

TEST_F(QuestionsTest, ListsGiveAddressesAndReasons) {
  resolver_.add_address("2.0.0.127.list.test", "127.0.0.2");
  resolver_.add_address("2.0.0.127.list.test", "127.0.0.4");
  resolver_.add_text("2.0.0.127.list.test", "because");
  const std::string key = reversed_labels(*IpAddress::parse("127.0.0.2"));
  const auto entry = finish(list_entry(resolver_, key, "list.test"));
  EXPECT_TRUE(entry->listed);
  EXPECT_EQ(join(entry->addresses), "127.0.0.2 127.0.0.4");
  EXPECT_EQ(*finish(list_reason(resolver_, key, "list.test")), "because");
  EXPECT_FALSE(finish(list_entry(resolver_, "1.0.0.127", "list.test"))->listed);
  resolver_.fail("3.0.0.127.list.test", RrType::A, Errc::timed_out);
  EXPECT_FALSE(finish(list_entry(resolver_, "3.0.0.127", "list.test")));
}

TEST(HostsFile, KnowsNamesAndAddresses) {
  const HostsFile hosts = HostsFile::parse(
      "# comment\n127.0.0.1\tlocalhost loop # more\n::1 localhost\nnonsense here\n192.0.2.5 "
      "Mx.Test");
  EXPECT_EQ(hosts.addresses("LOCALHOST.")->size(), 2u);
  EXPECT_EQ(hosts.addresses("mx.test")->front().to_string(), "192.0.2.5");
  EXPECT_EQ(hosts.addresses("here"), nullptr);
  EXPECT_EQ(hosts.names(*IpAddress::parse("127.0.0.1"))->front(), "localhost");
  EXPECT_EQ(HostsFile::load("/nonexistent").addresses("x"), nullptr);
}

TEST(ResolvConf, SaysWhereToAsk) {
  const ResolvConf conf = parse_resolv_conf(
      "; comment\nnameserver 192.0.2.53\nnameserver bad\nnameserver 2001:db8::53\ndomain old.test\n"
      "search A.test. b.test\noptions timeout:3 attempts:9 edns0 trust-ad rotate\n");
  ASSERT_EQ(conf.servers.size(), 2u);
  EXPECT_EQ(conf.servers[1].to_string(), "[2001:db8::53]:53");
  EXPECT_EQ(conf.search, (std::vector<std::string>{"a.test", "b.test"}));
  EXPECT_EQ(conf.timeout->count, 3);
  EXPECT_EQ(conf.attempts, 5);
  EXPECT_TRUE(conf.edns);
  EXPECT_TRUE(conf.trust_ad);
  EXPECT_EQ(parse_resolv_conf("").servers[0].to_string(), "[127.0.0.1]:53");
}

}  // namespace
}  // namespace godwit::dns
