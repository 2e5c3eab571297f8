#include "acl/lists/lists.h"

#include "tests/acl/support.h"

#include <gtest/gtest.h>

namespace godwit::acl {
namespace {

constexpr std::string_view kNamed =
    "hostlist hl = 1.2.3.4 : +later\nhostlist later = 10.0.0.0/8\n"
    "domainlist dl = a.b : *.c\naddresslist al = a@b : *@c.d : x.y\n"
    "localpartlist ll = +caseful : Abc\ndomainlist dyn = $primary_hostname : *.$qualify_domain\n"
    "domainlist neg = !bad.c : +dl\n";

struct Case {
  ListKind kind;
  std::string_view subject;
  std::string_view list;
  std::string_view want;  // "n", or "y" and the data
};
constexpr auto D = ListKind::domain;
constexpr auto H = ListKind::host;
constexpr auto A = ListKind::address;
constexpr auto L = ListKind::local_part;

std::string match(const ListPattern& list, ListKind kind, std::string_view text, Facts& facts) {
  ListSubject subject;
  subject.text = text;
  if (kind == H && !text.empty()) subject.address = *IpAddress::parse(text);
  const ListMatch result = list.match(subject, facts.context);
  if (result.match == Match::defer) return "d" + result.message;
  return result.match == Match::yes ? "y" + result.data : "n";
}

TEST(Lists, MatchAsExim) {
  constexpr Case kCases[] = {
      {D, "a.b", "+dl", "ya.b"},
      {D, "A.B", "+dl", "ya.b"},
      {D, "x.c", "+dl", "y*.c"},
      {D, "c", "*.c", "n"},
      {D, "x.c", "*c", "y*c"},
      {D, "x", "*", "y*"},
      {D, "mx.test", "@", "ymx.test"},
      {D, "[127.0.0.1]", "@[]", "y@[]"},
      {D, "[192.0.2.9]", "@[]", "y@[]"},
      {D, "[IPv6:::1]", "@[]", "y@[]"},
      {D, "[192.0.2.8]", "@[]", "n"},
      {D, "x.c", "!x.c", "n"},
      {D, "y", "!x.c", "y"},
      {D, "y", "!x.c:z", "n"},
      {D, "y", "!+dl", "y"},
      {D, "bad.c", "+neg", "n"},
      {D, "good.c", "+neg", "y*.c"},
      {D, "a", "\\N^A$\\N", "y^A$"},
      {D, "a1", "\\N^a\\d$\\N", "y^a\\d$"},
      {D, "", "", "n"},
      {D, "", ":", "y"},
      {D, "", "a: :b", "y"},
      {D, "a", "<;b;a", "ya"},
      {D, "mx.test", "+dyn", "ymx.test"},
      {D, "z.q.test", "+dyn", "y*.q.test"},
      {D, "z", "${if eq{a}{b}{x}fail}", "n"},
      {D, "zz", "${lc:ZZ}", "yzz"},
      {L, "Abc", "+ll", "yAbc"},
      {L, "abc", "+ll", "n"},
      {L, "ABC", "abc", "yabc"},
      {L, "ABC", "+caseful:abc", "n"},
      {L, "xyz", "*Z", "y*Z"},
      {L, "dx", "d*", "n"},
      {A, "a@b.c", "b.c", "yb.c"},
      {A, "a@b.c", "*.c", "y*.c"},
      {A, "a@b.c", "*@*.c", "y*@*.c"},
      {A, "a@b.c", "*@+dl", "y*@*.c"},
      {A, "a@b.c", "^a@", "y^a@"},
      {A, "A@B.c", "a@b.c", "ya@b.c"},
      {A, "A@b.c", "+caseful:a@b.c", "n"},
      {A, "", ":", "y"},
      {A, "", "*", "n"},
      {A, "", "", "n"},
      {A, "a@b", "!x@y", "y"},
      {A, "xa@b.c", "*a@b.c", "y*a@b.c"},
      {A, "a", "*@*", "n"},
      {A, "a@b", "*", "y*"},
      {A, "a@b.c", "a@^b", "ya@^b"},
      {A, "q@x.y", "+al", "yx.y"},
      {H, "1.2.3.4", "+hl", "y"},
      {H, "10.1.1.1", "+hl", "y"},
      {H, "11.1.1.1", "+hl", "n"},
      {H, "10.1.1.1", "*", "y"},
      {H, "", ":", "y"},
      {H, "", "*", "y"},
      {H, "", "1.2.3.4", "n"},
      {H, "1.2.3.4", ":", "n"},
      {H, "::1", "<; ::1", "y"},
      {H, "::1", "::::1", "y"},
      {H, "2001:db8::1", "<; 2001:db8::/32", "y"},
      {H, "127.0.0.1", "localhost", "y"},
      {H, "127.0.0.1", "@[]", "y"},
      {H, "192.0.2.9", "@", "y"},
      {H, "1.2.3.4", "!1.2.3.4 : *", "n"},
      {H, "1.2.3.4", "+ignore_unknown : 1.2.3.0/24", "y"},
  };
  config::Diagnostics diagnostics;
  const auto lists = named_lists(std::string(kNamed), diagnostics);
  EXPECT_EQ(diagnostics.render_all(), "");
  Facts facts;
  facts.server.local_addresses.push_back(*IpAddress::parse("::1"));
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.subject) + " in " + std::string(c.list));
    const auto list =
        lists->compile(c.kind, config::LocatedText(std::string(c.list)), {}, diagnostics);
    EXPECT_EQ(diagnostics.render_all(), "");
    ASSERT_TRUE(list);
    EXPECT_EQ(match(*list, c.kind, c.subject, facts), c.want);
    EXPECT_EQ(match(*list, c.kind, c.subject, facts), c.want) << "the second time";
  }
}

TEST(Lists, RefuseAtLoad) {
  struct Refusal {
    ListKind kind;
    std::string_view list, message;
  };
  constexpr Refusal kCases[] = {
      {D, "+none", "there is no domain list \"none\""},
      {D, "a : nosuch;/etc/x", "unknown lookup type \"nosuch\""},
      {D, "lsearch;", "a file or query is missing after \"lsearch;\""},
      {D, "@mx_some", "\"@mx_some\" is not @mx_any, @mx_primary or @mx_secondary"},
      {D, "@mx_any/x", "\"/ignore=\" is expected after @mx_any"},
      {H, "1.2.3.4/33", "\"1.2.3.4/33\" is neither an IP address nor a network"},
      {H, "1.2.3", "\"1.2.3\" is neither an IP address nor a network"},
      {A, "@@x", "a lookup is expected after \"@@\""},
      {D, "$foo", "unknown variable name \"foo\""},
  };
  for (const Refusal& c : kCases) {
    SCOPED_TRACE(c.list);
    config::Diagnostics diagnostics;
    const auto lists = named_lists("", diagnostics);
    const config::LocatedText text{std::string(c.list)};
    EXPECT_FALSE(lists->compile(c.kind, text, {}, diagnostics));
    ASSERT_EQ(diagnostics.error_count(), 1u);
    EXPECT_EQ(diagnostics.all()[0].message, c.message);
  }
}

TEST(NamedLists, RefuseCycles) {
  config::Diagnostics diagnostics;
  named_lists("domainlist a = +b\ndomainlist b = x : +a\ndomainlist c = +c\nhostlist d = +a\n",
              diagnostics);
  ASSERT_EQ(diagnostics.error_count(), 4u);
  EXPECT_EQ(diagnostics.all()[0].message, "the list \"a\" refers to itself");
  EXPECT_EQ(diagnostics.all()[1].message, "the list \"b\" has errors");
  EXPECT_EQ(diagnostics.all()[2].message, "the list \"c\" refers to itself");
  EXPECT_EQ(diagnostics.all()[3].message, "there is no host list \"a\"");
}

TEST(NamedLists, ThatBecomeCyclesAtRunTimeStop) {
  config::Diagnostics diagnostics;
  const auto lists = named_lists("domainlist a = ${if def:domain{+a}{x}}\n", diagnostics);
  EXPECT_EQ(diagnostics.render_all(), "");
  Facts facts;
  EXPECT_EQ(match(*lists->find(D, "a"), D, "z", facts),
            "dfailed to expand \"${if def:domain{+a}{x}}\": the condition is nested too deeply");
}

}  // namespace
}  // namespace godwit::acl
