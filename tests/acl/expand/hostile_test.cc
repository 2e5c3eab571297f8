// What clients and senders write is data: whatever bytes it has, it is never expanded, never ends a
// text early, and never crosses a bound. And items put back the state that they set.
#include "acl/expand/expansion.h"
#include "tests/acl/support.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace godwit::acl {
namespace {

EvalResult expand(std::string_view text, Facts& facts) {
  const Result<Expansion> expansion = compile_expansion(text, {});
  if (!expansion) return {EvalStatus::failed, expansion.error().detail(), false};
  return expansion->evaluate(facts.context);
}

std::vector<std::string> hostile_values() {
  using namespace std::string_literals;
  return {"a\0b"s,
          "${run{/bin/false}}",
          "$primary_hostname ${lookup{x}lsearch{/etc/passwd}}",
          "\\N^.*$\\N",
          "}{${if",
          "\xff\xfe\xc3\x28 \xed\xa0\x80",
          "=?utf-8?q?" + std::string(5000, '=') + "?=",
          "<\n a : b :: c",
          std::string(64 * 1024, '('),
          std::string(64 * 1024, '$'),
          "\r\n.\r\nRCPT TO:<x@y>\r\n",
          std::string(1, '\0')};
}

TEST(HostileValues, StayWhatTheyAre) {
  for (const std::string& value : hostile_values()) {
    Facts facts;
    facts.connection.sender_helo_name = value;
    facts.message_variables["acl_m_x"] = AclValue(value, true);
    EXPECT_EQ(expand("$sender_helo_name", facts).text, value);
    EXPECT_EQ(expand("${if eq{$sender_helo_name}{$acl_m_x}{$acl_m_x}{no}}", facts).text, value);
    EXPECT_EQ(expand("${sg{$acl_m_x}{NO SUCH TEXT}{}}", facts).text, value);
    EXPECT_EQ(expand("${strlen:$acl_m_x}", facts).text, std::to_string(value.size()));
    EXPECT_EQ(expand("${if match{$acl_m_x}{(?s)^(.*)\\$}{$1}}", facts).text, value);
    EXPECT_EQ(expand("${base64d:${base64:$acl_m_x}}", facts).text, value);
    EXPECT_TRUE(expand("$acl_m_x", facts).tainted);
  }
}

TEST(HostileValues, AreRefusedWhereTheyWouldBeCode) {
  for (const std::string& value : hostile_values()) {
    Facts facts;
    facts.message_variables["acl_m_x"] = AclValue(value, true);
    EXPECT_EQ(expand("${expand:$acl_m_x}", facts).status, EvalStatus::failed);
    EXPECT_EQ(expand("${readfile{$acl_m_x}}", facts).status, EvalStatus::failed);
  }
}

TEST(HostileValues, OfHeaderLinesAreBoundedAndNeverExpanded) {
  for (const std::string& value : hostile_values()) {
    Facts facts;
    std::string line = value;
    std::erase(line, '\n');
    facts.message.headers = "Subject: " + line + "\nX-Next: safe\n";
    EXPECT_EQ(expand("$h_x-next:", facts).text, "safe");
    EXPECT_EQ(expand("$primary_hostname", facts).text, "mx.test");
    for (const char* text :
         {"$h_subject:", "$rh_subject:", "$bh_subject:", "$lh_subject:", "${addresses:$h_subject:}",
          "${rfc2047:$rh_subject:}", "${map{$rh_subject:}{<$item>}}", "${utf8clean:$rh_subject:}",
          "${quote:$rh_subject:}", "${extract{x}{$rh_subject:}{$value}{none}}"}) {
      const EvalResult result = expand(text, facts);
      EXPECT_LE(result.text.size(), kExpansionBytesMax) << text;
      EXPECT_EQ(result.text.find("/bin/false exited"), std::string::npos);
    }
  }
}

TEST(HostileValues, CostTimeInProportionToTheirSize) {
  Facts facts;
  const std::string separators(64 * 1024, ':');
  facts.message_variables["acl_m_x"] = AclValue(separators, true);
  const auto begin = std::chrono::steady_clock::now();
  for (const char* text : {"${map{$acl_m_x}{$item}}", "${filter{$acl_m_x}{eq{$item}{a}}}",
                           "${sort{$acl_m_x}{lt}{$item}}", "${listcount:$acl_m_x}",
                           "${sg{$acl_m_x}{:}{::}}", "${addresses:$acl_m_x}"}) {
    expand(text, facts);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

struct StateCase {
  const char* text;
  const char* want;
};

TEST(ExpansionState, IsPutBackByTheItemThatSetIt) {
  const StateCase cases[] = {
      {"${if match{abc}{(b)}{$1${if match{xyz}{(y)}{$1}}$1}}", "byb"},
      {"${if match{abc}{(b)}{${if match{xyz}{(q)}{}{$1}}}}", "b"},
      {"${map{a:b}{$item${map{c:d}{$item}}$item}}", "ac::da:bc::db"},
      {"${reduce{1:2}{0}{$value$item${reduce{8:9}{}{$value$item}}}}", "0189289"},
      {"${extract{k}{k=v}{$value${extract{j}{j=w}{$value}}$value}}", "vwv"},
      {"${if match{abc}{(b)}{${sg{xx}{(x)}{\\$1\\$1}}$1}}", "xxxxb"},
      {"${if match{abc}{(b)}{${filter{a:x}{match{\\$item}{(x)}}}$1}}", "b"},
      {"${map{a:b}{${if match{$item}{(a)}{$1}{<$1>}}}}", "a:<>"},
      {"${sort{b:a}{lt}{${if match{$item}{(.)}{$1}}}}$1.$item", "a:b."},
      {"${if inlist{b}{a:b}{$value${if inlist{z}{z}{$value}}$value}}", "bzb"},
      {"${reduce{a:b}{}{${if eq{$value}{}{$item}{$value-$item}}}}$value", "a-b"},
      {"${if eq{$value}{${reduce{a}{b}{$item}}}{same}{other}}", "other"},
  };
  for (const StateCase& row : cases) {
    Facts facts;
    EXPECT_EQ(expand(row.text, facts).text, row.want) << row.text;
    EXPECT_TRUE(facts.context.captures.empty()) << row.text;
    EXPECT_EQ(facts.context.value + std::string(facts.context.item), "") << row.text;
    EXPECT_FALSE(facts.context.tainted) << row.text;
  }
}

TEST(ExpansionState, AValueIsAppendedAndAFailureLeavesTheTextAsItWas) {
  Facts facts;
  std::string text = "> ";
  const Result<Expansion> good = compile_expansion("$primary_hostname and more than that", {});
  const Result<Expansion> bad = compile_expansion("lost ${eval:1/0}", {});
  const Result<Expansion> constant = compile_expansion("constant", {});
  ASSERT_TRUE(good && bad && constant);
  for (int round = 0; round < 2; ++round) {
    text = "> ";
    EXPECT_EQ(good->append(facts.context, text), EvalStatus::ok);
    EXPECT_EQ(text, "> mx.test and more than that");
    EXPECT_EQ(bad->append(facts.context, text), EvalStatus::failed);
    EXPECT_EQ(text, "> mx.test and more than that");
    EXPECT_NE(facts.context.error.find("divide by zero"), std::string::npos);
    EXPECT_EQ(constant->append(facts.context, text), EvalStatus::ok);
    EXPECT_EQ(text, "> mx.test and more than thatconstant");
  }
}

}  // namespace
}  // namespace godwit::acl
