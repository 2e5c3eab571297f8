// Items that ask: files, lookups, names of hosts, mail exchangers.
#include "acl/expand/client.h"
#include "acl/expand/services.h"
#include "acl/lists/decisions.h"
#include "acl/lookup/lookup.h"
#include "tests/acl/support.h"
#include "tests/support/scripted_resolver.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace godwit::acl {
namespace {

constexpr auto D = ListKind::domain;
constexpr auto H = ListKind::host;
constexpr auto A = ListKind::address;
constexpr auto L = ListKind::local_part;

// Answers for "file key" or "query"; "defer" cannot be asked.
class ScriptedLookups final : public Lookups {
 public:
  std::map<std::string, std::string, std::less<>> known;
  std::vector<std::string> asked;

  Result<std::optional<LookupAnswer>> find(const LookupQuestion& question) override {
    std::string key(question.file);
    if (!key.empty()) key += ' ';
    key += question.key;
    asked.push_back(key);
    if (key.ends_with("defer")) return Error(Errc::lookup_deferred, "scripted");
    const auto found = known.find(key);
    if (found == known.end()) return std::optional<LookupAnswer>();
    LookupAnswer answer;
    answer.value = found->second;
    return std::optional<LookupAnswer>(std::move(answer));
  }
  void forget() override {}
};

class AskingLists : public testing::Test {
 protected:
  AskingLists() {
    std::string name = (std::filesystem::temp_directory_path() / "godwit-list-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    services_.lookups = &lookups_;
    services_.resolver = &resolver_;
    facts_.context.services = &services_;
    facts_.context.client = &client_;
  }
  ~AskingLists() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, std::string_view text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::string match(ListKind kind, std::string_view text, std::string_view list) {
    config::Diagnostics diagnostics;
    const auto lists = named_lists("domainlist dl = a.b : lsearch;/f\n", diagnostics);
    const auto compiled =
        lists->compile(kind, config::LocatedText(std::string(list)), {}, diagnostics);
    EXPECT_EQ(diagnostics.render_all(), "");
    if (!compiled) return "?";
    ListSubject subject;
    subject.text = text;
    if (kind == H && !text.empty()) {
      subject.address = *IpAddress::parse(text);
      subject.is_client = subject.address == facts_.connection.sender_host->address;
    }
    const ListMatch result = compiled->match(subject, facts_.context);
    if (result.match == Match::defer) return "d" + result.message;
    return result.match == Match::yes ? "y" + result.data : "n";
  }

  Facts facts_;
  ClientIdentity client_{facts_.connection};
  ScriptedLookups lookups_;
  test::ScriptedResolver resolver_;
  Services services_;
  std::string directory_;
};

TEST_F(AskingLists, LookUpKeysAndQueries) {
  lookups_.known = {{"/f a.b", "data"},
                    {"/f 192.0.2.1", "ip"},
                    {"/f 192.0.2.0/24", "net"},
                    {"/f joe", "j"},
                    {"/f joe@a.b", "whole"},
                    {"/l a.b", "!bob : ^j : >next"},
                    {"/l next", "sam"},
                    {"/l loop", ">loop"},
                    {"select 1", "one"},
                    {"/f 2001.0db8.0000.0000.0000.0000.0000.0001", "v6"},
                    {"/f 2001.0db8.0000.0000.0000.0000.0000.0000/32", "v6net"},
                    {"/f 2001:0db8:0000:0000:0000:0000:0000:0001", "v6ip"}};
  struct Case {
    ListKind kind;
    std::string_view subject, list, want;
  };
  constexpr Case kCases[] = {
      {D, "A.b", "lsearch;/f", "ydata"},
      {D, "x", "lsearch;/f", "n"},
      {D, "x", "!lsearch;/f", "y"},
      {D, "defer", "lsearch;/f : *", "dscripted"},
      {D, "", "lsearch;/f", "n"},
      {D, "a.b", "+dl", "ya.b"},
      {D, "x", "mysql;select 1", "yone"},
      {D, "x", "mysql;select 2", "n"},
      {H, "192.0.2.1", "net-lsearch;/f", "yip"},
      {H, "192.0.2.77", "net24-lsearch;/f", "ynet"},
      {H, "198.51.100.1", "net24-lsearch;/f", "n"},
      {H, "2001:db8::1", "<; net-lsearch;;/f", "yv6"},
      {H, "2001:db8::1", "<; net32-lsearch;;/f", "yv6net"},
      {H, "2001:db8::1", "<; net-iplsearch;;/f", "yv6ip"},
      {H, "192.0.2.1", "net-mysql;select 1", "yone"},
      {L, "Joe", "lsearch;/f", "yj"},
      {L, "Joe", "+caseful : lsearch;/f", "n"},
      {A, "Joe@A.b", "lsearch*@;/f", "ywhole"},
      {A, "x@a.b", "*@lsearch;/f", "y*@data"},
      {A, "x@a.b", "x@lsearch;/f", "yx@data"},
      {A, "joe@a.b", "@@lsearch;/l", "y^j"},
      {A, "bob@a.b", "@@lsearch;/l", "n"},
      {A, "sam@a.b", "@@lsearch;/l", "ysam"},
      {A, "z@a.b", "@@lsearch;/l : z@a.b", "yz@a.b"},
      {A, "z@loop", "@@lsearch;/l", "dloop detected in lookup of local parts of \"loop\""},
      {A, "", "lsearch;/f", "n"},
      {A, "", "mysql;select 1", "yone"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.subject) + " in " + std::string(c.list));
    EXPECT_EQ(match(c.kind, c.subject, c.list), c.want);
  }
}

TEST_F(AskingLists, ReadFilesLineByLine) {
  const std::string path = write("items", "# comment\n\n  a.b  # more\n!no.c\n*.c\n/not/a/file\n");
  EXPECT_EQ(match(D, "a.b", path), "ya.b");
  EXPECT_EQ(match(D, "x.c", "z : " + path), "y*.c");
  EXPECT_EQ(match(D, "no.c", path + " : no.c"), "n");
  EXPECT_EQ(match(D, "no.c", "!" + path), "yno.c");
  EXPECT_EQ(match(D, "a.b", "!" + path), "n");
  EXPECT_EQ(match(D, "q", "!" + path), "y");
  EXPECT_EQ(match(D, "/not/a/file", path), "y/not/a/file");
  const std::string addresses = write("addresses", "a#b@c.d # x\n#e@f\n");
  EXPECT_EQ(match(A, "a#b@c.d", addresses), "ya#b@c.d");
  EXPECT_EQ(match(A, "e@f", addresses), "n");
  EXPECT_EQ(match(H, "2001:db8::1", write("hosts", "2001:db8::/32\n")), "y");
  EXPECT_EQ(match(D, "a", directory_ + "/none").substr(0, 16), "dfailed to open ");
}

TEST_F(AskingLists, SeeThatAFileChanged) {
  const std::string path = write("items", "a\n");
  config::Diagnostics diagnostics;
  const auto lists = named_lists("", diagnostics);
  const auto list = lists->compile(D, config::LocatedText(path), {}, diagnostics);
  EXPECT_EQ(list->match({"b", {}, {}}, facts_.context).match, Match::no);
  write("items", "b\n");
  EXPECT_EQ(list->match({"b", {}, {}}, facts_.context).match, Match::yes);
}

TEST_F(AskingLists, OpenNoFilesThatAClientNames) {
  facts_.connection.sender_helo_name = "lsearch;/etc/passwd";
  EXPECT_EQ(match(D, "root", "$sender_helo_name"), "dTainted filename for search: '/etc/passwd'");
  facts_.connection.sender_helo_name = "/etc/passwd";
  EXPECT_EQ(match(D, "root", "$sender_helo_name"), "dTainted filename '/etc/passwd' in a list");
}

TEST_F(AskingLists, CompareAddressesOfNames) {
  resolver_.add_address("friend.test", "192.0.2.1");
  resolver_.fail("broken.test", dns::RrType::A);
  resolver_.fail("broken.test", dns::RrType::AAAA);
  EXPECT_EQ(match(H, "192.0.2.1", "friend.test"), "yfriend.test");
  EXPECT_EQ(match(H, "192.0.2.2", "friend.test : 192.0.2.2"), "y");
  EXPECT_EQ(match(H, "192.0.2.2", "none.test : 192.0.2.2"), "n");
  EXPECT_EQ(match(H, "192.0.2.2", "+ignore_unknown : none.test : 192.0.2.2"), "y");
  EXPECT_EQ(match(H, "192.0.2.2", "+include_unknown : none.test"), "y");
  EXPECT_EQ(match(H, "192.0.2.2", "broken.test : 192.0.2.2").substr(0, 1), "d");
  EXPECT_EQ(match(H, "192.0.2.2", "+ignore_defer : broken.test : 192.0.2.2"), "y");
  EXPECT_EQ(match(H, "192.0.2.2", "+include_defer : broken.test"), "y");
}

TEST_F(AskingLists, AskForTheNameOfTheClientOnce) {
  resolver_.add_pointer("1.2.0.192.in-addr.arpa", "Mail.Friend.test");
  resolver_.add_address("mail.friend.test", "192.0.2.1");
  EXPECT_EQ(match(H, "192.0.2.1", "192.0.2.0/24 : *.friend.test"), "y");
  EXPECT_TRUE(resolver_.asked.empty());
  EXPECT_EQ(match(H, "192.0.2.1", "*.friend.test"), "y*.friend.test");
  const size_t asked = resolver_.asked.size();
  EXPECT_EQ(match(H, "192.0.2.1", "^mail\\\\.F"), "y^mail\\.F");
  EXPECT_EQ(match(H, "192.0.2.1", "*.other.test"), "n");
  EXPECT_EQ(resolver_.asked.size(), asked);
  EXPECT_EQ(facts_.connection.sender_host_name, "mail.friend.test");
  lookups_.known = {{"/f mail.friend.test", "named"}};
  EXPECT_EQ(match(H, "192.0.2.1", "lsearch;/f"), "ynamed");
}

TEST_F(AskingLists, GiveUpWhereTheClientHasNoName) {
  EXPECT_EQ(match(H, "192.0.2.1", "*.friend.test : 192.0.2.1"), "n");
  EXPECT_EQ(match(H, "192.0.2.1", "!*.friend.test : *"), "n");
  EXPECT_EQ(match(H, "192.0.2.1", "+ignore_unknown : *.friend.test : 192.0.2.1"), "y");
  EXPECT_EQ(match(H, "192.0.2.1", "+include_unknown : *.friend.test"), "y");
  EXPECT_TRUE(facts_.connection.host_lookup_failed);
}

TEST_F(AskingLists, KnowWhichDomainsAreOurs) {
  resolver_.add_mx("one.test", 10, "mx1.test");
  resolver_.add_mx("one.test", 20, "mx2.test");
  resolver_.add_mx("two.test", 10, "mx2.test");
  resolver_.add_mx("two.test", 20, "mx1.test");
  resolver_.add_mx("none.test", 10, "mx2.test");
  resolver_.add_address("mx1.test", "192.0.2.9");
  resolver_.add_address("mx2.test", "198.51.100.1");
  resolver_.fail("bad.test", dns::RrType::MX);
  EXPECT_EQ(match(D, "one.test", "@mx_any"), "y@mx_any");
  EXPECT_EQ(match(D, "one.test", "@mx_primary"), "y@mx_primary");
  EXPECT_EQ(match(D, "one.test", "@mx_secondary"), "n");
  EXPECT_EQ(match(D, "two.test", "@mx_primary"), "n");
  EXPECT_EQ(match(D, "two.test", "@mx_secondary"), "y@mx_secondary");
  EXPECT_EQ(match(D, "two.test", "@mx_any/ignore=192.0.2.9"), "n");
  EXPECT_EQ(match(D, "none.test", "@mx_any"), "n");
  EXPECT_EQ(match(D, "gone.test", "@mx_any"), "n");
  EXPECT_EQ(match(D, "bad.test", "@mx_any").substr(0, 1), "d");
}

TEST_F(AskingLists, FindOneOfManyDomains) {
  std::string list;
  for (int i = 0; i < 2000; ++i) list += "d" + std::to_string(i) + ".test : ";
  list += "!d2000.test : *.test";
  EXPECT_EQ(match(D, "D1999.test", list), "yd1999.test");
  EXPECT_EQ(match(D, "d0.test", list), "yd0.test");
  EXPECT_EQ(match(D, "d2000.test", list), "n");
  EXPECT_EQ(match(D, "d2001.test", list), "y*.test");
  EXPECT_EQ(match(D, "x", list), "n");
}

TEST_F(AskingLists, AnswersOfNamedListsAreKeptForTheMessage) {
  ListDecisions decisions;
  services_.decisions = &decisions;
  lookups_.known["/x a.b"] = "data";
  config::Diagnostics diagnostics;
  const auto lists = named_lists(
      "domainlist asked = lsearch;/x\ndomainlist moving = lsearch;/x : $acl_m_x\n", diagnostics);
  ASSERT_FALSE(diagnostics.has_errors()) << diagnostics.render_all();
  const auto match = [&](std::string_view list, std::string_view subject) {
    const auto pattern = lists->compile(D, config::LocatedText(std::string(list)), {}, diagnostics);
    return pattern->match({subject, std::nullopt, {}}, facts_.context);
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(match("+asked", "a.b").data, "data");
    EXPECT_EQ(facts_.context.captures, Captures{"a.b"});
    EXPECT_EQ(match("+asked", "c.d").match, Match::no);
  }
  EXPECT_EQ(lookups_.asked.size(), 2u);
  decisions.forget();
  EXPECT_EQ(match("+asked", "a.b").match, Match::yes);
  EXPECT_EQ(lookups_.asked.size(), 3u);
  // What could not be asked is asked again; what depends on variables is not kept.
  for (int i = 0; i < 2; ++i) EXPECT_EQ(match("+asked", "defer").match, Match::defer);
  EXPECT_EQ(lookups_.asked.size(), 5u);
  facts_.message_variables["acl_m_x"] = "c.d";
  EXPECT_EQ(match("+moving", "c.d").match, Match::yes);
  facts_.message_variables["acl_m_x"] = "e.f";
  EXPECT_EQ(match("+moving", "c.d").match, Match::no);
}

}  // namespace
}  // namespace godwit::acl
