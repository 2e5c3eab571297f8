#include "protocol/report/report.h"

#include "core/base/ascii.h"
#include "generated/source_dir.h"
#include "protocol/report/limits.h"
#include "protocol/report/status_part.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace godwit::report {
namespace {

constexpr std::string_view kHeaders =
    "Received: from a by b;\r\n\tSat, 21 Nov 2026 04:30:00 +0000\r\n"
    "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: hello\r\n"
    "Message-ID: <m1@example.org>\r\n";

ReportFacts base_facts(ReportKind kind) {
  ReportFacts facts;
  facts.kind = kind;
  facts.message_id = "1wAbCd-00000000abc-0001";
  facts.from = "Mail Delivery System <Mailer-Daemon@mx.example.org>";
  facts.to = "ann@example.org";
  facts.reporting_mta = "mx.example.org";
  facts.primary_hostname = "mx.example.org";
  facts.original_id = "1wAbC0-00000000abc-0000";
  facts.original_headers = kHeaders;
  facts.original_body = "Hello\r\nworld\r\n";
  facts.original_bytes = kHeaders.size() + 16;
  facts.original_received = WallTime::from_seconds(1795235400);
  facts.now = WallTime::from_seconds(1795235400 + 90 * 60);
  facts.utc = true;
  return facts;
}

ReportedRecipient refused_recipient() {
  ReportedRecipient recipient;
  recipient.address = "bob@example.com";
  recipient.orcpt = "rfc822;Bob+2Bx@example.com";
  recipient.text =
      "host mx.example.com [192.0.2.25]: SMTP error from remote mail server after "
      "RCPT TO:<bob@example.com>: 550 5.1.1 no such user";
  recipient.reply = "550 5.1.1 no such user";
  recipient.remote_name = "mx.example.com";
  recipient.remote_ip = "[192.0.2.25]";
  recipient.greeting = "220 mx.example.com ESMTP ready";
  recipient.helo_reply = "250-mx.example.com Hello mx.example.org [192.0.2.1]";
  return recipient;
}

ReportFacts failure() {
  ReportFacts facts = base_facts(ReportKind::failure);
  facts.returns_body = true;
  facts.original_envid = "QQ+3D314";
  facts.recipients.push_back(refused_recipient());
  return facts;
}

ReportFacts delay() {
  ReportFacts facts = base_facts(ReportKind::delay);
  facts.now = facts.original_received + Seconds{25 * 3600};
  facts.reply_to = "postmaster@example.org";
  ReportedRecipient recipient = refused_recipient();
  recipient.action = Action::delayed;
  recipient.reply = "451 4.7.1 greylisted,\nplease try again";
  recipient.text = "host mx.example.com [192.0.2.25]: " + recipient.reply;
  recipient.retry_until = facts.original_received + Seconds{4 * 86400};
  facts.recipients.push_back(recipient);
  return facts;
}

ReportFacts delivered() {
  ReportFacts facts = base_facts(ReportKind::success);
  ReportedRecipient recipient;
  recipient.address = "carol@example.org";
  recipient.action = Action::delivered;
  facts.recipients.push_back(recipient);
  return facts;
}

ReportFacts relayed() {
  ReportFacts facts = base_facts(ReportKind::success);
  ReportedRecipient recipient = refused_recipient();
  recipient.action = Action::relayed;
  recipient.reply = "250 OK id=1x";
  recipient.text.clear();
  facts.recipients.push_back(recipient);
  return facts;
}

ReportFacts several() {
  ReportFacts facts = base_facts(ReportKind::failure);
  facts.custom_text = "Ask postmaster@example.org\nor call.\n";
  facts.recipients.push_back(refused_recipient());
  ReportedRecipient local;
  local.address = "dave@example.org";
  local.text = "Unrouteable address";
  facts.recipients.push_back(local);
  ReportedRecipient expired = refused_recipient();
  expired.address = "erin@example.net";
  expired.orcpt.clear();
  expired.remote_name.clear();
  expired.remote_ip = "[192.0.2.26]:2525";
  expired.greeting.clear();
  expired.helo_reply.clear();
  expired.reply = "452-4.2.2 mailbox full\\n452 4.2.2 sorry";  // as it stands in the log
  expired.text = "SMTP error after RCPT: " + expired.reply + ": retry timeout exceeded";
  facts.recipients.push_back(expired);
  return facts;
}

ReportFacts cut_body() {
  ReportFacts facts = failure();
  facts.body_was_cut = true;
  facts.original_bytes = 1234567;
  return facts;
}

ReportFacts internationalized() {
  ReportFacts facts = failure();
  facts.smtputf8 = true;
  facts.to = "ann\xc3\xa9@example.org";
  facts.original_headers = "From: ann\xc3\xa9@example.org\r\nSubject: gr\xc3\xbc\xc3\x9f\r\n";
  facts.recipients[0].address =
      "b\xc3\xb6"
      "b@example.com";
  facts.recipients[0].orcpt.clear();
  facts.recipients[0].reply = "550 5.1.1 kein Empf\xc3\xa4nger";
  facts.recipients[0].text = "550 5.1.1 kein Empf\xc3\xa4nger, \xff\xfe";
  return facts;
}

// Everything that a stranger can put into a report.
ReportFacts hostile() {
  static const std::string long_text(3000, 'x');
  ReportFacts facts = base_facts(ReportKind::failure);
  facts.returns_body = true;
  facts.to = "ann@example.org\r\nBcc: victim@example.net";
  facts.original_envid = "a b\r\nAction: delivered";
  facts.original_headers =
      "Message-ID: <x@y>\r\n\tBcc: victim@example.net\r\n"
      "Subject: --=_1wAbCd-00000000abc-0001_report--\r\n";
  facts.original_body = "a\nb\rc\r\n--=_1wAbCd-00000000abc-0001_report1\r\n";
  ReportedRecipient recipient = refused_recipient();
  recipient.address = "\"a\r\n\r\nb\"@example.com";
  recipient.orcpt = "rfc822;x\r\nAction: delivered";
  recipient.status = "5.1.1\r\nX: y";
  recipient.text =
      std::string("line\r\n\r\n--=_1wAbCd-00000000abc-0001_report\r\n\x01\x7f\xff ") + long_text;
  recipient.reply = "550 \r\n\r\nX-Evil: 1 " + long_text;
  recipient.greeting = "220 a\\n\\nFinal-Recipient: rfc822;z " + long_text;
  recipient.helo_reply = std::string("250 \0 nul", 9);
  recipient.remote_name = "mx\r\nStatus: 2.0.0";
  facts.recipients.push_back(recipient);
  return facts;
}

struct GoldenCase {
  std::string_view name;
  ReportFacts (*facts)();
};
constexpr std::array kGolden{
    GoldenCase{"failure", &failure},
    GoldenCase{"delay", &delay},
    GoldenCase{"delivered", &delivered},
    GoldenCase{"relayed", &relayed},
    GoldenCase{"several", &several},
    GoldenCase{"cut_body", &cut_body},
    GoldenCase{"smtputf8", &internationalized},
    GoldenCase{"hostile", &hostile},
};

TEST(Report, ReadsAsTheGoldenFiles) {
  for (const GoldenCase& c : kGolden) {
    SCOPED_TRACE(c.name);
    const ReportText report = make_report(c.facts());
    const std::string text = report.headers + "\r\n" + report.body;
    const std::string path =
        GODWIT_SOURCE_DIR "/tests/golden/report/" + std::string(c.name) + ".eml";
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path, std::ios::binary) << text;
      continue;
    }
    std::ifstream file(path, std::ios::binary);
    ASSERT_TRUE(file.good()) << path;
    std::stringstream want;
    want << file.rdbuf();
    EXPECT_EQ(text, want.str());
  }
}

TEST(Report, IsLegalOnTheWireWhateverTheFactsAre) {
  for (const GoldenCase& c : kGolden) {
    SCOPED_TRACE(c.name);
    const ReportText report = make_report(c.facts());
    const std::string text = report.headers + "\r\n" + report.body;
    size_t line = 0;
    for (size_t at = 0; at < text.size(); ++at) {
      ASSERT_NE(text[at], '\0');
      if (text[at] == '\n') ASSERT_TRUE(at > 0 && text[at - 1] == '\r') << at;
      if (text[at] == '\r') {
        ASSERT_TRUE(at + 1 < text.size() && text[at + 1] == '\n') << at;
        ASSERT_LE(at - line, kLineBytesMax);
        line = at + 2;
      }
    }
    EXPECT_EQ(report.headers.find("\r\n\r\n"), std::string::npos);
    EXPECT_EQ(report.headers.find("\r\nBcc:"), std::string::npos);
    EXPECT_EQ(report.body.find("\r\nAction: delivered\r\nAction:"), std::string::npos);
    EXPECT_EQ(report.body.find("\r\nX-Evil:"), std::string::npos);
  }
}

TEST(Report, ReturnsOnlyHeadersWhereALineIsTooLong) {
  ReportFacts facts = failure();
  const std::string body = std::string(999, 'x') + "\r\n";
  facts.original_body = body;
  const std::string text = make_report(facts).body;
  EXPECT_NE(text.find("Content-Type: text/rfc822-headers"), std::string::npos);
  EXPECT_EQ(text.find("xxxx"), std::string::npos);
}

TEST(Report, BoundsTheRecipientsOfItsHeader) {
  ReportFacts facts = failure();
  facts.recipients.assign(kExplainedRecipientsMax + 7, refused_recipient());
  const ReportText report = make_report(facts);
  size_t commas = 0;
  for (const char c : report.headers) commas += c == ',' ? 1 : 0;
  EXPECT_LE(commas, kFailedRecipientsMax + 1);
  EXPECT_NE(report.body.find("and 7 more"), std::string::npos);
}

struct StatusCase {
  Action action;
  std::string_view given, reply, want;
};
constexpr std::array kStatuses{
    StatusCase{Action::failed, "", "", "5.0.0"},
    StatusCase{Action::failed, "", "550 no", "5.0.0"},
    StatusCase{Action::failed, "", "550 5.1.1 no", "5.1.1"},
    StatusCase{Action::failed, "", "550-5.7.26 no", "5.7.26"},
    StatusCase{Action::failed, "", "550 5.1.1", "5.1.1"},
    StatusCase{Action::failed, "", "550 5.1.1\nX", "5.1.1"},
    StatusCase{Action::failed, "", "452 4.2.2 full", "4.2.2"},
    StatusCase{Action::failed, "", "250 2.0.0 ok", "5.0.0"},
    StatusCase{Action::failed, "", "550 5.1.1000 no", "5.0.0"},
    StatusCase{Action::failed, "", "550 5..1 no", "5.0.0"},
    StatusCase{Action::failed, "5.4.6", "550 5.1.1 no", "5.4.6"},
    StatusCase{Action::failed, "5.4", "", "5.0.0"},
    StatusCase{Action::delayed, "", "550 5.1.1 no", "4.0.0"},
    StatusCase{Action::delayed, "", "451 4.7.1 later", "4.7.1"},
    StatusCase{Action::relayed, "", "250 2.6.0 ok", "2.6.0"},
    StatusCase{Action::delivered, "", "", "2.0.0"},
    StatusCase{Action::expanded, "", "", "2.0.0"},
};

TEST(Report, TakesTheStatusFromTheReplyWhereItFitsTheAction) {
  for (const StatusCase& c : kStatuses) {
    SCOPED_TRACE(c.reply);
    ReportedRecipient recipient;
    recipient.action = c.action;
    recipient.status = c.given;
    recipient.reply = c.reply;
    EXPECT_EQ(recipient_status(recipient), c.want);
  }
}

}  // namespace
}  // namespace godwit::report
