#include "acl/lookup/catalogue.h"

#include <gtest/gtest.h>

#include <set>

namespace godwit::acl {
namespace {

TEST(LookupCatalogue, HasUniqueDocumentedRows) {
  std::set<std::string_view> names;
  for (const LookupType& type : lookup_types()) {
    EXPECT_TRUE(names.insert(type.name).second) << type.name;
    EXPECT_FALSE(type.documentation.empty()) << type.name;
    EXPECT_EQ(find_lookup_type(type.name), &type);
  }
  EXPECT_EQ(lookup_types_line(),
            "Lookups (built-in): cdb dnsdb dsearch iplsearch json lmdb lsearch mysql nwildlsearch "
            "passwd pgsql redis sqlite wildlsearch");
}

TEST(LookupCatalogue, ReadsEveryFormOfAType) {
  struct Case {
    std::string_view text, name;
    int labels;
    std::string_view affix;
    LookupFallback fallback;
    std::string_view options;
  };
  using enum LookupFallback;
  constexpr Case kCases[] = {
      {"lsearch", "lsearch", -1, "*.", none, ""},
      {"lsearch*", "lsearch", -1, "*.", star, ""},
      {"lsearch*@", "lsearch", -1, "*.", star_at, ""},
      {"partial-lsearch", "lsearch", 2, "*.", none, ""},
      {"partial0-cdb", "cdb", 0, "*.", none, ""},
      {"partial12-cdb*", "cdb", 12, "*.", star, ""},
      {"partial(.)lsearch", "lsearch", 2, ".", none, ""},
      {"partial1()cdb", "cdb", 1, "", none, ""},
      {"partial3(.:)lsearch*@,ret=full", "lsearch", 3, ".:", star_at, "ret=full"},
      {"dsearch,ret=full,filter=file", "dsearch", -1, "*.", none, "ret=full,filter=file"},
      {"lmdb,cache=no_rd", "lmdb", -1, "*.", none, "cache=no_rd"},
      {"lsearch,ret=key", "lsearch", -1, "*.", none, "ret=key"},
      {" redis ", "redis", -1, "*.", none, ""},
      {"pgsql,servers=a::1/b/c/d:e", "pgsql", -1, "*.", none, "servers=a::1/b/c/d:e"},
      {"sqlite,file=/a/b", "sqlite", -1, "*.", none, "file=/a/b"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    LookupProblem problem;
    const std::optional<LookupSpec> spec = parse_lookup_type(c.text, problem);
    ASSERT_TRUE(spec) << problem.message;
    EXPECT_EQ(lookup_type_name(*spec->type), c.name);
    EXPECT_EQ(spec->partial_labels, c.labels);
    EXPECT_EQ(spec->partial_affix, c.affix);
    EXPECT_EQ(spec->fallback, c.fallback);
    EXPECT_EQ(spec->options, c.options);
    EXPECT_EQ(spec->query_style, spec->type->type_class == LookupClass::query);
  }
}

TEST(LookupCatalogue, RefusesWhatIsWrongWithAHint) {
  struct Case {
    std::string_view text, message, hint;
    bool unavailable;
  };
  constexpr Case kCases[] = {
      {"lserch", "unknown lookup type \"lserch\"", "did you mean \"lsearch\"?", false},
      {"zzzzzzzz", "unknown lookup type \"zzzzzzzz\"", "", false},
      {"", "unknown lookup type \"\"", "", false},
      {"partialx-lsearch", "format error in lookup type \"partialx-lsearch\"", "", false},
      {"partial(.lsearch", "format error in lookup type \"partial(.lsearch\"", "", false},
      {"partial(a)lsearch", "format error in lookup type \"partial(a)lsearch\"", "", false},
      {"partial99999999999999999999-cdb",
       "format error in lookup type \"partial99999999999999999999-cdb\"", "", false},
      {"partial-mysql", "\"partial\" is not permitted for lookup type \"mysql\"", "", false},
      {"mysql*", "defaults using \"*\" or \"*@\" are not permitted for lookup type \"mysql*\"", "",
       false},
      {"ldap", "the lookup type \"ldap\" is not built in", "", true},
      {"partial-dbmnz", "the lookup type \"dbmnz\" is not built in", "", true},
      {"lsearch,foo=bar", "unknown option \"foo\" of lookup type \"lsearch\"", "", false},
      {"lsearch,filter=dir", "unknown option \"filter\" of lookup type \"lsearch\"", "", false},
      {"redis,ret=key", "unknown option \"ret\" of lookup type \"redis\"", "", false},
      {"lsearch,cache=maybe", "unknown option \"cache\" of lookup type \"lsearch\"", "", false},
      {"dsearch,ret=foo", "unknown option \"ret\" of lookup type \"dsearch\"", "", false},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    LookupProblem problem;
    EXPECT_FALSE(parse_lookup_type(c.text, problem));
    EXPECT_EQ(problem.message, c.message);
    EXPECT_EQ(problem.hint, c.hint);
    EXPECT_EQ(problem.unavailable, c.unavailable);
  }
}

TEST(LookupCatalogue, QuotesAsEachTypeNeedsIt) {
  struct Case {
    std::string_view type, text, want;
  };
  constexpr Case kCases[] = {
      {"pgsql", "a'b\"c\\d\ne", "a''b\\\"c\\\\d\\ne"},
      {"mysql", "a'b\"c\\d\ne\t\r\b", "a\\'b\\\"c\\\\d\\ne\\t\\r\\b"},
      {"sqlite", "a'b\"c\\d", "a''b\"c\\d"},
      {"redis", "a b\\c\td", "a\\ b\\\\c\\\td"},
      {"lsearch", "a'b c", "a'b c"},
      {"dnsdb", "a'b", "a'b"},
  };
  for (const Case& c : kCases) {
    std::string out;
    EXPECT_TRUE(quote_for_lookup(*find_lookup_type(c.type), c.text, out)) << c.type;
    EXPECT_EQ(out, c.want) << c.type;
  }
  std::string out;
  EXPECT_FALSE(quote_for_lookup(*find_lookup_type("ldap"), "x", out));
}

TEST(LookupCatalogue, MakesKeysOfMaskedAddresses) {
  struct Case {
    std::string_view pattern, address, type, key;
  };
  constexpr Case kCases[] = {
      {"net-cdb", "192.168.34.6", "cdb", "192.168.34.6"},
      {"net24-lsearch", "192.168.34.6", "lsearch", "192.168.34.0/24"},
      {"net20-lsearch*", "192.168.47.6", "lsearch*", "192.168.32.0/20"},
      {"net32-lsearch", "192.168.34.6", "lsearch", "192.168.34.6/32"},
      {"net-lsearch", "2001:db8::1", "lsearch", "2001.0db8.0000.0000.0000.0000.0000.0001"},
      {"net-iplsearch", "2001:db8::1", "iplsearch", "2001:0db8:0000:0000:0000:0000:0000:0001"},
      {"net32-lsearch", "2001:db8::1", "lsearch", "2001.0db8.0000.0000.0000.0000.0000.0000/32"},
      {"net0-lsearch", "10.1.2.3", "lsearch", "0.0.0.0/0"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.pattern);
    const std::optional<NetPrefix> prefix = parse_net_prefix(c.pattern);
    ASSERT_TRUE(prefix);
    EXPECT_EQ(prefix->type, c.type);
    EXPECT_EQ(net_lookup_key(*IpAddress::parse(c.address), *prefix), c.key);
  }
  for (const std::string_view text : {"lsearch", "netx-lsearch", "net129-lsearch", "net24"}) {
    EXPECT_FALSE(parse_net_prefix(text)) << text;
  }
}

}  // namespace
}  // namespace godwit::acl
