#include "delivery/rewrite/rewrite.h"

#include "core/config/files.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::rewrite {
namespace {

class RewriteTest : public testing::Test {
 protected:
  void load(const std::string& rules) {
    config::MemoryFiles files;
    files.put("/c", "begin rewrite\n" + rules);
    diagnostics_ = std::make_unique<config::Diagnostics>();
    const config::ConfigDocument document = config::read_document("/c", files, {}, *diagnostics_);
    lists_ = acl::NamedLists::compile_all(document, *diagnostics_);
    rules_ = RewriteRules::compile(document, *lists_, *diagnostics_);
    server_.qualify_recipient = "q.test";
    context_.server = &server_;
  }
  std::string rewrite(std::string_view address, Place place = kEnvelopeTo) {
    return rules_->rewrite(address, place, context_).address;
  }
  std::string headers(std::string_view section) {
    notes_ = {};
    return rules_->rewrite_headers(section, context_, notes_).value_or("unchanged");
  }

  acl::ServerFacts server_;
  RewriteNotes notes_;
  acl::EvalContext context_;
  std::unique_ptr<config::Diagnostics> diagnostics_;
  std::shared_ptr<const acl::NamedLists> lists_;
  std::shared_ptr<const RewriteRules> rules_;
};

TEST_F(RewriteTest, WildcardsAndGroupsAreNumbered) {
  load(
      "root@*.w.test *\n*queen@*.fict.test $1.$2@fict.test\n*@*.w.test $1@w.test\n"
      "^x(.)@q\\.test y$1@q.test\nunq@q.test other Q\n");
  EXPECT_EQ(diagnostics_->render_all(), "");
  EXPECT_EQ(rewrite("root@a.w.test"), "root@a.w.test");
  EXPECT_EQ(rewrite("joe@a.w.test"), "joe@w.test");
  EXPECT_EQ(rewrite("hearts-queen@wonder.fict.test"), "hearts-.wonder@fict.test");
  EXPECT_EQ(rewrite("xz@q.test"), "yz@q.test");
  EXPECT_EQ(rewrite("unq@q.test"), "other@q.test");
  EXPECT_EQ(rewrite("none@else.test"), "none@else.test");
}

TEST_F(RewriteTest, FlagsSayWhereAndHowOften) {
  load("a@q.test b@q.test fT\nc@q.test d@q.test q\nd@q.test e@q.test\n*x@q.test $1@q.test R\n");
  EXPECT_EQ(rewrite("a@q.test", kFrom), "b@q.test");
  EXPECT_EQ(rewrite("a@q.test", kTo), "a@q.test");
  EXPECT_EQ(rewrite("a@q.test", kEnvelopeFrom), "a@q.test");
  EXPECT_EQ(rewrite("a@q.test", kEnvelopeTo), "b@q.test");
  EXPECT_EQ(rewrite("c@q.test"), "d@q.test");
  EXPECT_EQ(rewrite("d@q.test"), "e@q.test");
  EXPECT_EQ(rewrite("nxxx@q.test"), "n@q.test");
}

TEST_F(RewriteTest, WhatEachRuleDoesIsTold) {
  load(
      "*@a.test $1@b.test\n*@b.test \"Name <$1@c.test>\" fw\n*@loop.test x$1@loop.test R\n"
      "^<(.*)> $1 S\n");
  EXPECT_EQ(headers("From: one@a.test, two@a.test\r\n"),
            "From: Name <one@c.test>, Name <two@c.test>\r\n");
  const std::vector<std::string> expected{
      "\"one@a.test\" from from: rewritten as \"one@b.test\" by rule 1",
      "\"one@b.test\" from from: rewritten as \"Name <one@c.test>\" by rule 2",
      "\"two@a.test\" from from: rewritten as \"two@b.test\" by rule 1",
      "\"two@b.test\" from from: rewritten as \"Name <two@c.test>\" by rule 2"};
  EXPECT_EQ(notes_.changes, expected);
  const Rewritten often = rules_->rewrite("y@loop.test", kEnvelopeTo, context_);
  EXPECT_EQ(often.address, "xxxxxxxxxxxy@loop.test");
  EXPECT_EQ(often.changes.size(), 11u);
  EXPECT_EQ(often.problem, "rewrite rule repeat ignored after 10 times");
  const Rewritten path = rules_->rewrite("<k@k.test>", kSmtp, context_);
  ASSERT_EQ(path.changes.size(), 1u);
  EXPECT_EQ(path.changes[0],
            "\"<k@k.test>\" from smtp recipient rewritten as \"k@k.test\" by rule 4");
}

TEST_F(RewriteTest, FailuresLeaveTheAddressAsItWas) {
  load("a@q.test ${if eq{1}{2}{x}fail}\na@q.test b@q.test\nc@q.test \"${if eq{1}{2}{x}}\"\n");
  EXPECT_EQ(rewrite("a@q.test"), "b@q.test");
  const Rewritten bad = rules_->rewrite("c@q.test", kTo, context_);
  EXPECT_FALSE(bad.changed);
  EXPECT_NE(bad.problem.find("unparseable"), std::string::npos) << bad.problem;
}

TEST_F(RewriteTest, HeaderLinesKeepPhrasesAndComments) {
  load("*@old.test $1@new.test\nfull@q.test \"Full <f@q.test>\" fw\n");
  EXPECT_EQ(headers("From: \"A, B\" <a@old.test> (c)\r\nSubject: a@old.test\r\n"
                    "To: x@q.test,\r\n y@old.test\r\n"),
            "From: \"A, B\" <a@new.test> (c)\r\nSubject: a@old.test\r\n"
            "To: x@q.test,\r\n y@new.test\r\n");
  EXPECT_EQ(headers("From: No Name <full@q.test>\r\n"), "From: Full <f@q.test>\r\n");
  EXPECT_EQ(headers("To: full@q.test\r\n"), "unchanged");
  EXPECT_EQ(headers("Resent-To: z@old.test\r\n"), "Resent-To: z@new.test\r\n");
  EXPECT_EQ(headers("To: broken@@old.test\r\n"), "unchanged");
}

TEST(ChangeDomain, AddressesOfOneDomainGetAnother) {
  const auto changed = [](std::string_view section) {
    return change_domain(section, "short", "short.full.test").value_or("unchanged");
  };
  EXPECT_EQ(changed("From: Me <\"a b\"@Short> (at short)\r\nSubject: x@short\r\n"
                    "To: x@short,\r\n y@short.test, z@short\r\n"),
            "From: Me <\"a b\"@short.full.test> (at short)\r\nSubject: x@short\r\n"
            "To: x@short.full.test,\r\n y@short.test, z@short.full.test\r\n");
  EXPECT_EQ(changed("To: x@other, short\r\nMessage-Id: <a@short>\r\n"), "unchanged");
}

TEST_F(RewriteTest, MistakesAreNamed) {
  constexpr std::array kCases{"a@b c@d x\n", "a@b\n", "a@b c@d S\n", "^( x@y\n"};
  for (const char* text : kCases) {
    load(text);
    EXPECT_TRUE(diagnostics_->has_errors()) << text;
  }
}

}  // namespace
}  // namespace godwit::rewrite
