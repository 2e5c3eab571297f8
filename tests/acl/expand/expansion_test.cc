#include "acl/expand/expansion.h"

#include "acl/expand/conditions.h"
#include "acl/expand/items.h"
#include "acl/expand/operators.h"
#include "acl/expand/regex.h"
#include "acl/expand/text_encoding.h"
#include "acl/expand/variables.h"
#include "tests/acl/support.h"

#include <gtest/gtest.h>

#include <set>

namespace godwit::acl {
namespace {

constexpr std::string_view kLists = "domainlist dl = a.b : *.c\nlocalpartlist ll = abc\n";

// The value, or "!message", or "?message" for a forced failure.
std::string expand(std::string_view text) {
  config::Diagnostics diagnostics;
  const auto lists = named_lists(std::string(kLists), diagnostics);
  CompileOptions options;
  options.lists = lists.get();
  const Result<Expansion> expansion = compile_expansion(text, options);
  if (!expansion) return "!!" + expansion.error().detail();
  Facts facts;
  const EvalResult result = expansion->evaluate(facts.context);
  if (result.ok()) return result.text;
  return (result.status == EvalStatus::forced_fail ? "?" : "!") + result.text;
}

struct Case {
  std::string_view input;
  std::string_view want;
};

// What Exim 4.96 -be answers, apart from the words of errors.
TEST(Expansion, GivesWhatEximGives) {
  constexpr Case kCases[] = {
      {"", ""},
      {"plain } text {", "plain } text {"},
      {"a\\qb\\nc\\\\", "aqb\nc\\"},
      {"\\101\\x42\\x4", "AB\x04"},
      {"\\N$x\\q${\\N$primary_hostname", "$x\\q${mx.test"},
      {"$primary_hostname ${primary_hostname}x", "mx.test mx.testx"},
      {"[$1$10${2}]", "[]"},
      {"$acl_c0/$acl_m_x/$acl_m_none/$acl_arg1", "cee/emm//"},
      {"$local_part@$domain", "rcpt@mx.test"},
      {"$sender_address_local_part $sender_address_domain", "Sender Example.com"},
      {"$sender_fullhost $sender_rcvhost",
       "(client.test) [192.0.2.1] [192.0.2.1] (helo=client.test)"},
      {"$interface_port $sender_host_port $received_port", "25 4321 25"},
      {"$tod_epoch $tod_zulu $tod_logfile", "1795237066 20261121045746Z 20261121"},
      {"$tod_full", "Sat, 21 Nov 2026 04:57:46 +0000"},
      {"${lc:ABC}${uc:abc}", "abcABC"},
      {"${lc:a}b}", "ab}"},
      {"${length_3:abcdef}${l_2:abc}", "abcab"},
      {"${substr_3:abcdef}", "def"},
      {"${substr_-3:abcdef}", "abc"},
      {"${substr_-3_2:abcdef}", "de"},
      {"${substr_-5_2:12}", ""},
      {"${substr_-3_2:12}", "1"},
      {"${substr_9_2:12}", ""},
      {"${s_1_1:abc}", "b"},
      {"${local_part:a@b}${domain:\"X Y\" <a@b.c>}", "ab.c"},
      {"${domain:foo}|${local_part:foo}|${domain:a b}", "|foo|"},
      {"${quote_local_part:a b\"c}", "\"a b\\\"c\""},
      {"${quote_local_part:a.b}${quote_local_part:.a}", "a.b\".a\""},
      {"${escape:a\\nb\\x01\\xe9\"}", "a\\nb\\001\\351\""},
      {"${strlen:abc}", "3"},
      {"${if eq{a}{a}}", "true"},
      {"${if eq{a}{b}}", ""},
      {"${if eq{a}{b}{x}}", ""},
      {"${if eq {a} {a} {y} {n} }", "y"},
      {"${if eq{a}{a}{x}fail}", "x"},
      {"${if eq{a}{b}{x}fail}", "?\"if\" failed and \"fail\" requested"},
      {"${if eqi{aB}{Ab}{y}{n}}${if !eq{a}{b}{y}{n}}${if !!eq{a}{b}{y}{n}}", "yyn"},
      {"${if def:sender_address {y}{n}}${if def:sender_ident {y}{n}}", "yn"},
      {"${if def:acl_m_x{y}{n}}${if def:acl_m_none{y}{n}}", "yn"},
      {"${if and{{eq{a}{a}}{eq{b}{b}}}{x}{y}}", "x"},
      {"${if and{}{y}{n}}${if or{}{y}{n}}", "yn"},
      {"${if or{ {eq{a}{b}} {eq{b}{b}} }{x}{y}}", "x"},
      {"${if or{{eq{a}{a}}{> {x}{1}}}{x}{y}}", "x"},
      {"${if match_domain{x.c}{+dl}{$value}{n}}${value}", "*.c"},
      {"${if match_domain{mx.test}{$primary_hostname}{y}{n}}", "n"},
      {"${if match_domain{abc}{\\N^a.c$\\N}{y}{n}}", "y"},
      {"${if match_local_part{ABC}{+ll}{y}{n}}", "y"},
      {"${if match_address{a@b.c}{*@+dl}{y}{n}}", "y"},
      {"${if match_ip{10.1.1.1}{10.0.0.0/8}{y}{n}}${if match_ip{::1}{<; ::1}{y}{n}}", "yy"},
      {"${if > {5}{3K}{y}{n}}${if >={08}{8}{y}{n}}${if ={}{0}{y}{n}}", "nyy"},
      {"${if >{x}{3}{y}{n}}", "!integer expected but \"x\" found"},
      {"${if gt{b}{a}{y}{n}}${if lti{A}{b}{y}{n}}", "yy"},
      {"${if bool{yes}{y}{n}}${if bool{ 2 }{y}{n}}${if bool{0}{y}{n}}", "yyn"},
      {"${if bool{foo}{y}{n}}", "!unrecognised boolean value \"foo\""},
      {"${if bool_lax{foo}{y}{n}}", "y"},
      {"${if isip{1.2.3.4}{y}{n}}${if isip6{1.2.3.4}{y}{n}}${if isip4{x}{y}{n}}", "ynn"},
      {"$tpda_delivery_ip$proxy_host_address$dkim_domain$bmi_deliver", ""},
      {"${if eq{a}{b}{${if >{x}{y}{1}}}{skipped}}", "skipped"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.input);
    EXPECT_EQ(expand(c.input), c.want);
  }
}

TEST(Expansion, RefusesAtCompileTime) {
  constexpr Case kCases[] = {
      {"$foo", "!!unknown variable name \"foo\""},
      {"${foo}", "!!unknown variable in \"${foo}\""},
      {"${foo{a}}", "!!unknown expansion item \"foo\""},
      {"${foo:a}", "!!unknown expansion operator \"foo\""},
      {"$-", "!!$ not followed by letter, digit, or {"},
      {"$", "!!$ not followed by letter, digit, or {"},
      {"x\\", "!!\\ at end of string"},
      {"${}", "!!$ not followed by letter, digit, or {"},
      {"${lc:ABC", "!!the } of this item is missing"},
      {"${if ne{a}{b}{x}}", "!!unknown condition \"ne\""},
      {"${if eq{a}{a}{x}", "!!the } of this item is missing"},
      {"${if eq{a}{a}{y}x}", "!!syntax error in \"if\" item - \"fail\" expected"},
      {"${if eq{a}}", "!!{ is expected here, before a text for the condition \"eq\""},
      {"${if eq{a}{b}{c}{d}{e}}", "!!too many arguments: } is expected here"},
      {"${if def:foo{x}}", "!!unknown variable \"foo\" after \"def:\""},
      {"${length_3_2:abc}", "!!non-digit after underscore in \"length_3_2\""},
      {"${length:abc}", "!!\"length\" needs a number: length_3"},
      {"${perl{a}}", "!!the expansion item \"perl\" is not available"},
      {"${dlfunc{/a}{b}}", "!!the expansion item \"dlfunc\" is not available"},
      {"${if pam{a}{b}}", "!!the condition \"pam\" is not available"},
      {"${lookup{a}nosuch{/b}}", "!!unknown lookup type \"nosuch\""},
      {"${sg{a}{(}{b}}",
       "!!regular expression error in \"(\": missing closing parenthesis at offset 1"},
      {"${if match{a}{(}{b}}",
       "!!regular expression error in \"(\": missing closing parenthesis at offset 1"},
      {"${sg{a}{b}}", "!!Not enough arguments for 'sg' (min is 3)"},
      {"${tr{a}{b}{c}{d}}", "!!Too many arguments for 'tr' (max is 3)"},
      {"${mask_x:1.2.3.4/8}", "!!mask takes no suffix but _n"},
      {"${quote_nosuch:a}", "!!unknown lookup type \"nosuch\""},
      {"$acl_x", "!!unknown variable name \"acl_x\""},
      {"${if match_domain{a}{+none}{y}}", "!!there is no domain list \"none\""},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.input);
    EXPECT_EQ(expand(c.input), c.want);
  }
}

TEST(Expansion, PointsAtTheProblem) {
  config::Diagnostics diagnostics;
  diagnostics.sources().add("f", "x = ab${lcc:y}\n");
  const config::LocatedText text("ab${lcc:y}", {0, 1, 5});
  EXPECT_FALSE(compile_expansion(text, {}, diagnostics));
  EXPECT_EQ(diagnostics.render_all(),
            "f:1:9: error: unknown expansion operator \"lcc\"\n"
            "  x = ab${lcc:y}\n"
            "          ^\n"
            "  hint: did you mean \"lc\"?\n");
}

TEST(Expansion, ToleratesWhatIsNotAvailableWhereAsked) {
  CompileOptions options;
  options.tolerate_unavailable = true;
  constexpr std::string_view kTexts[] = {
      "${perl{function}{$local_part}}x",
      "${if pam{a:b}{yes}{no}}",
      "${dlfunc{/a.so}{f}}",
  };
  for (std::string_view text : kTexts) {
    SCOPED_TRACE(text);
    const auto expansion = compile_expansion(text, options);
    ASSERT_TRUE(expansion);
    Facts facts;
    EXPECT_EQ(expansion->evaluate(facts.context).status, EvalStatus::failed);
  }
  EXPECT_FALSE(compile_expansion("${lookupp{a}}", options));
}

TEST(Expansion, IsBoundedInDepthAndSize) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "${lc:";
  EXPECT_EQ(expand(deep), "!!braces are nested too deeply");
  std::string conditions = "${if ";
  for (int i = 0; i < 1000; ++i) conditions += "and{{";
  EXPECT_EQ(expand(conditions), "!!conditions are nested too deeply");
  EXPECT_EQ(expand(std::string(2 << 20, 'x')), "!!the string is too long");
}

TEST(Expansion, StrictVariablesFail) {
  Facts facts;
  facts.server.strict_acl_vars = true;
  const auto expansion = compile_expansion("$acl_m_none", {});
  EXPECT_EQ(expansion->evaluate(facts.context).status, EvalStatus::failed);
}

TEST(Expansion, KnowsConstants) {
  EXPECT_TRUE(Expansion().is_constant());
  EXPECT_TRUE(compile_expansion("a\\tb", {})->is_constant());
  EXPECT_EQ(compile_expansion("a\\tb", {})->constant(), "a\tb");
  EXPECT_FALSE(compile_expansion("$domain", {})->is_constant());
}

TEST(ExpansionTables, HaveUniqueDocumentedNames) {
  std::set<std::string_view> names;
  const auto check = [&](auto rows) {
    names.clear();
    for (const auto& row : rows) {
      EXPECT_TRUE(names.insert(row.name).second) << row.name;
      EXPECT_FALSE(row.doc.empty()) << row.name;
    }
  };
  check(operator_rows());
  check(item_rows());
  check(condition_rows());
  std::set<std::string_view> variables;
  for (std::string_view name : variable_names()) {
    EXPECT_TRUE(variables.insert(name).second) << name;
    EXPECT_FALSE(find_variable(name)->doc.empty()) << name;
  }
  EXPECT_GT(variables.size(), 280u);
}

TEST(Captures, StandBehindEachOther) {
  Captures captures{"whole", "", "ole"};
  EXPECT_EQ(captures.size(), 3u);
  EXPECT_EQ(captures[0], "whole");
  EXPECT_EQ(captures[1], "");
  EXPECT_EQ(captures[2], "ole");
  captures.replace_first("a longer whole");
  EXPECT_EQ(captures, (Captures{"a longer whole", "", "ole"}));
  captures.replace_first("");
  EXPECT_EQ(captures, (Captures{"", "", "ole"}));
  captures.assign("new");
  EXPECT_EQ(captures, Captures{"new"});
  captures.clear();
  EXPECT_TRUE(captures.empty());
}

TEST(Regex, KeepsPatternsApartByTheirCase) {
  for (size_t round = 0; round < 3; ++round) {
    EXPECT_TRUE(*Regex::compile("^abc$", true)->search("ABC"));
    EXPECT_FALSE(*Regex::compile("^abc$", false)->search("ABC"));
    EXPECT_FALSE(Regex::compile("(", false));
    // More than are kept.
    for (size_t i = 0; i <= kRegexKeptMax; ++i) {
      EXPECT_TRUE(*Regex::compile("^" + std::to_string(i) + "$", false)->search(std::to_string(i)));
    }
  }
}

TEST(Regex, SearchesAndGivesCaptures) {
  const auto regex = Regex::compile("^(a+)(x)?(b*)$", true);
  ASSERT_TRUE(regex);
  Captures captures;
  EXPECT_TRUE(*regex->search("AAb", &captures));
  EXPECT_EQ(captures, (Captures{"AAb", "AA", "", "b"}));
  EXPECT_FALSE(*regex->search(""));
  EXPECT_FALSE(Regex::compile("(", false));
}

TEST(Regex, StopsAtItsMatchLimit) {
  const auto regex = Regex::compile("^(a+)+$", false);
  EXPECT_FALSE(regex->search(std::string(200, 'a') + "!"));
}

TEST(AddressToAscii, TurnsDomainAndLocalPart) {
  EXPECT_EQ(address_to_ascii("grüße@köln.example"), "xn--gre-6ka8l@xn--kln-sna.example");
  EXPECT_EQ(address_to_ascii("plain@example.com"), "plain@example.com");
  EXPECT_EQ(address_to_ascii("Grüße"), "xn--Gre-6ka8l");
  EXPECT_EQ(address_to_ascii(""), "");
  EXPECT_FALSE(address_to_ascii("\xff@example.com"));
  EXPECT_FALSE(address_to_ascii("a@\xff.example"));
}

}  // namespace
}  // namespace godwit::acl
