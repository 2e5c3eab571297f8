#include "protocol/message/submission_mode.h"

#include <gtest/gtest.h>

namespace godwit::message {
namespace {

SubmissionMode ann() {
  SubmissionMode mode;
  mode.authenticated_id = "ann";
  mode.sender = "ann@q.test";
  mode.qualify_domain = "q.test";
  mode.message_id_domain = "mx.test";
  mode.now = WallTime::from_seconds(1'795'237'066);
  mode.utc = true;
  return mode;
}

constexpr std::string_view kDated = "Date: now\r\nMessage-Id: <x@y>\r\n";

// The section without the two lines that every case begins with, and the sender.
std::string fixed(std::string_view fields, const SubmissionMode& mode) {
  SubmittedHeaders out = apply_submission_mode(std::string(kDated) + std::string(fields), mode);
  EXPECT_TRUE(out.section.starts_with(kDated));
  return out.section.substr(kDated.size()) + "<" + out.sender + ">";
}

TEST(SubmissionMode, AddsWhatIsMissing) {
  SubmissionMode mode = ann();
  const std::string section = apply_submission_mode("Subject: x\r\n", mode).section;
  EXPECT_EQ(section.find("Subject: x\r\nMessage-Id: <E"), 0u) << section;
  EXPECT_NE(section.find("\r\nFrom: ann@q.test\r\nDate: Sat, 21 Nov 2026 04:57:46 +0000\r\n"),
            std::string::npos)
      << section;
  EXPECT_EQ(section.find("Sender:"), std::string::npos);
}

TEST(SubmissionMode, SaysWhoSentIt) {
  SubmissionMode mode = ann();
  EXPECT_EQ(fixed("From: Ann <ANN@q.test>\r\n", mode), "From: Ann <ANN@q.test>\r\n<ann@q.test>");
  mode.sender = "other@x.y";
  EXPECT_EQ(fixed("From: boss@q.test\r\nSender: liar@q.test\r\n", mode),
            "From: boss@q.test\r\nSender: ann@q.test\r\n<ann@q.test>");
  EXPECT_EQ(fixed("From: ann@q.test, bob@q.test\r\n", mode),
            "From: ann@q.test, bob@q.test\r\nSender: ann@q.test\r\n<ann@q.test>");
  mode.sender.clear();
  EXPECT_EQ(fixed("From: boss@q.test\r\n", mode), "From: boss@q.test\r\nSender: ann@q.test\r\n<>");
  EXPECT_EQ(fixed("", mode), "From: ann@q.test\r\n<>");
  mode.name = "Ann of Q";
  mode.domain = "d.test";
  EXPECT_EQ(fixed("From: boss@q.test\r\n", mode),
            "From: boss@q.test\r\nSender: Ann of Q <ann@d.test>\r\n<>");
  mode.domain = "";
  mode.authenticated_id = "whole@id.test";
  EXPECT_EQ(fixed("From: boss@q.test\r\n", mode),
            "From: boss@q.test\r\nSender: Ann of Q <whole@id.test>\r\n<>");
}

TEST(SubmissionMode, LeavesTheSenderAloneWhereItShall) {
  SubmissionMode mode = ann();
  mode.sender = "other@x.y";
  mode.sender_retain = true;
  EXPECT_EQ(fixed("From: boss@q.test\r\nSender: liar@q.test\r\n", mode),
            "From: boss@q.test\r\nSender: liar@q.test\r\n<other@x.y>");
  mode.sender_retain = false;
  mode.authenticated_id.clear();
  EXPECT_EQ(fixed("From: boss@q.test\r\nSender: liar@q.test\r\n", mode),
            "From: boss@q.test\r\n<other@x.y>");
  mode.sender.clear();
  EXPECT_EQ(fixed("Subject: x\r\n", mode), "Subject: x\r\n<>");
}

}  // namespace
}  // namespace godwit::message
