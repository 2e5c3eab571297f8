#include "protocol/report/text_items.h"

#include "core/base/ascii.h"
#include "protocol/report/report.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace godwit::report {
namespace {

TEST(TextItems, AreSplitAtLinesOfExactlyFourAsterisks) {
  struct Case {
    std::string_view text;
    std::vector<std::string_view> items;
  };
  const std::vector<Case> cases{
      {"", {""}},
      {"Subject: a\n", {"Subject: a\n"}},
      {"a\n****\nb\n", {"a\n", "b\n"}},
      {"a\r\n****\r\nb\r\n", {"a\r\n", "b\r\n"}},
      {"****\n****\n", {"", "", ""}},
      {"a\n*****\n ****\n****", {"a\n*****\n ****\n", ""}},
      {"1\n****\n2\n****\n3\n****\n4\n****\n5\n****\n6\n****\n7\n",
       {"1\n", "2\n", "3\n", "4\n", "5\n", "6\n"}},
  };
  for (const Case& one : cases) EXPECT_EQ(split_text_items(one.text), one.items) << one.text;
}

ReportFacts facts_of(ReportKind kind) {
  ReportFacts facts;
  facts.kind = kind;
  facts.message_id = "1wAbCd-00000000abc-0001";
  facts.from = "Mail <mailer@mx.test>";
  facts.to = "ann@a.test";
  facts.reporting_mta = "mx.test";
  facts.primary_hostname = "mx.test";
  facts.original_id = "1wAbC0-00000000abc-0000";
  facts.original_headers = "Subject: hello\r\n";
  facts.recipients.emplace_back().address = "bob@b.test";
  facts.recipients.back().text = "no such user";
  return facts;
}

size_t count_of(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

TEST(TextItems, TakeThePlaceOfTheUsualTexts) {
  ReportFacts facts = facts_of(ReportKind::delay);
  facts.own_headers = "Subject: Verspaetet:\n  bob\nX-Own: 1\n";
  facts.own_introduction = "Bitte warten.\n";
  facts.own_ending = "Das ist alles.\n";
  const ReportText text = make_report(facts);
  EXPECT_NE(text.headers.find("Subject: Verspaetet:\r\n  bob\r\nX-Own: 1\r\n"), std::string::npos)
      << text.headers;
  EXPECT_EQ(count_of(text.headers, "Subject:"), 1u);
  EXPECT_NE(text.headers.find("Auto-Submitted: auto-replied\r\n"), std::string::npos);
  const size_t first = text.body.find("Bitte warten.\r\n");
  const size_t recipient = text.body.find("  bob@b.test\r\n    no such user\r\n");
  const size_t last = text.body.find("Das ist alles.\r\n");
  EXPECT_LT(first, recipient);
  EXPECT_LT(recipient, last);
  EXPECT_NE(last, std::string::npos);
  EXPECT_EQ(text.body.find("This is a report"), std::string::npos);
  EXPECT_EQ(text.body.find("The message has the identifier"), std::string::npos);
}

TEST(TextItems, ThatAreNoHeaderLinesDoNotEndTheHeaderSection) {
  ReportFacts facts = facts_of(ReportKind::failure);
  facts.own_headers = "\n\nevil text\nSubject: one\n\nmore\n";
  const ReportText text = make_report(facts);
  EXPECT_NE(text.headers.find("Subject: one\r\n"), std::string::npos);
  EXPECT_EQ(text.headers.find("\r\n\r\n"), std::string::npos);
  EXPECT_EQ(text.headers.find("evil"), std::string::npos);
  facts.own_headers = "\nnothing of use\n";
  EXPECT_NE(make_report(facts).headers.find("Subject: Mail delivery failed"), std::string::npos);
}

}  // namespace
}  // namespace godwit::report
