#include "daemon/explain_query.h"

#include "daemon/debug_selectors.h"
#include "daemon/explain_keeper.h"

#include <gtest/gtest.h>

namespace godwit::daemon {
namespace {

TEST(ExplainQueryTest, ReadsItsPartsInAnyOrder) {
  const Result<ExplainQuery> query = parse_explain_query(
      "from 192.0.2.1 MAIL FROM:<a@b> SIZE=10 RCPT TO:<c@d> rcpt to:<e@f> NOTIFY=NEVER helo x.y "
      "data /m");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->client.to_string(), "192.0.2.1");
  EXPECT_EQ(query->mail, "MAIL FROM:<a@b> SIZE=10");
  EXPECT_EQ(query->rcpts,
            (std::vector<std::string>{"RCPT TO:<c@d>", "RCPT to:<e@f> NOTIFY=NEVER"}));
  EXPECT_EQ(query->helo, "x.y");
  EXPECT_EQ(query->data_file, "/m");
}

TEST(ExplainQueryTest, GreetsWithTheAddressWhereNoNameIsGiven) {
  const Result<ExplainQuery> query =
      parse_explain_query("MAIL FROM:<> RCPT TO:<c@d> from 2001:db8::1");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->helo, "[2001:db8::1]");
}

TEST(ExplainQueryTest, SaysWhatIsMissing) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "from 192.0.2.1"},
      {"MAIL FROM:<a@b> RCPT TO:<c@d>", "which client"},
      {"from 192.0.2.1 RCPT TO:<c@d>", "which sender"},
      {"from 192.0.2.1 MAIL FROM:<a@b>", "which recipient"},
      {"from nowhere", "no IP address"},
      {"nonsense", "nonsense"},
      {"helo", "after \"helo\""},
  };
  for (const auto& [text, said] : kCases) {
    const Result<ExplainQuery> query = parse_explain_query(text);
    ASSERT_FALSE(query) << text;
    EXPECT_NE(query.error().detail().find(said), std::string::npos) << query.error().detail();
  }
}

TEST(ExplainSampleTest, IsAShareInEitherSpelling) {
  EXPECT_EQ(parse_explain_sample(""), 0);
  EXPECT_EQ(parse_explain_sample("1%"), 0.01);
  EXPECT_EQ(parse_explain_sample(" 2.5 % "), 0.025);
  EXPECT_EQ(parse_explain_sample("1/4"), 0.25);
  EXPECT_EQ(parse_explain_sample("100%"), 1);
  for (const char* wrong : {"1", "x%", "101%", "1/0", "2/1", "-1%", "%"})
    EXPECT_FALSE(parse_explain_sample(wrong)) << wrong;
}

TEST(DebugSelectorsTest, AddAndRemoveFromTheUsualOnes) {
  const auto has = [](std::string_view text, DebugSelector selector) {
    return parse_debug_selectors(text)->has(selector);
  };
  EXPECT_TRUE(has("", DebugSelector::acl));
  EXPECT_FALSE(has("", DebugSelector::expand));
  EXPECT_TRUE(has("+expand", DebugSelector::expand));
  EXPECT_FALSE(has("-acl", DebugSelector::acl));
  EXPECT_TRUE(has("-all+route", DebugSelector::route));
  EXPECT_FALSE(has("-all+route", DebugSelector::acl));
  EXPECT_TRUE(has("+all", DebugSelector::timestamp));
  EXPECT_FALSE(has("+all", DebugSelector::memory));
}

TEST(DebugSelectorsTest, NameTheNearestForAnUnknownOne) {
  const Result<DebugSelectors> wrong = parse_debug_selectors("+rouet");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().detail().find("\"route\""), std::string::npos) << wrong.error().detail();
  EXPECT_FALSE(parse_debug_selectors("acl"));
  EXPECT_FALSE(parse_debug_selectors("+"));
}

}  // namespace
}  // namespace godwit::daemon
