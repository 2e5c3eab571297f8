#include "protocol/smtp/server_engine.h"

#include "generated/source_dir.h"
#include "tests/support/json_cases.h"
#include "tests/support/transcript_runner.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace godwit::smtp {
namespace {

// A driver that accepts everything but unqualified recipients, and collects what it is told.
class Session {
 public:
  explicit Session(const ServerLimits& limits = {}, bool everything = true) : engine_(limits) {
    Offer offer;
    for (const ExtensionRow& row : extension_rows()) {
      if (everything && row.offered_by_server) offer.extensions.set(row.extension);
    }
    offer.extensions.set(Extension::enhanced_status_codes, false);
    offer.auth = "PLAIN";
    engine_.set_offer(offer);
    engine_.greet("mx ESMTP");
  }

  // The answers to `bytes`, given in one piece.
  std::string say(std::string_view bytes) {
    engine_.receive(bytes);
    pump();
    return engine_.take_output();
  }
  ServerEngine& engine() { return engine_; }
  const std::string& message() const { return message_; }
  size_t messages() const { return messages_; }
  bool is_closed() const { return closed_; }

 private:
  void pump() {
    while (!closed_) {
      const Event event = engine_.next();
      if (event.kind == EventKind::need_input) return;
      answer(event);
    }
  }

  void answer(const Event& event) {
    switch (event.kind) {
      case EventKind::greeted:
        return engine_.accept_helo("mx Hello");
      case EventKind::mail:
        return engine_.reply(ReplyId::mail_ok);
      case EventKind::rcpt:
        return engine_.reply(ReplyId::rcpt_ok);
      case EventKind::body_start:
        message_.clear();
        return engine_.is_chunked() ? engine_.accept_chunks()
                                    : engine_.reply(ReplyId::data_go_ahead);
      case EventKind::body_chunk:
        message_ += event.text;
        return;
      case EventKind::body_end:
        ++messages_;
        return engine_.reply({250, {}, "OK id=x"});
      case EventKind::verify:
      case EventKind::expand:
        return engine_.reply(ReplyId::vrfy_refused);
      case EventKind::auth:
        return engine_.reply({535, {}, "Incorrect authentication data"});
      case EventKind::starttls:
        return engine_.reply(ReplyId::starttls_go_ahead);
      case EventKind::quit:
        return engine_.reply({221, {}, "mx closing connection"});
      case EventKind::close:
        closed_ = true;
        return;
      default:
        return;
    }
  }

  ServerEngine engine_;
  std::string message_;
  size_t messages_ = 0;
  bool closed_ = false;
};

constexpr std::string_view kEhlo = "EHLO a.example\r\n";
constexpr std::string_view kMail = "MAIL FROM:<a@a.example>\r\n";
constexpr std::string_view kRcpt = "RCPT TO:<b@b.example>\r\n";

// The acceptable first replies of a case of commands.json, and what must come before it.
struct Wanted {
  std::string_view id;
  std::string_view before;  // E: EHLO, M: MAIL, R: RCPT
  std::string_view codes;   // any of
};
constexpr std::array kWanted{
    Wanted{"cmd-bare-lf", "", "500 501"},
    Wanted{"cmd-cr", "E", "500 501"},
    Wanted{"cmd-nul", "E", "500 501"},
    Wanted{"cmd-long-4096", "E", "500"},
    Wanted{"cmd-8bit", "", "501"},
    Wanted{"starttls-injection", "E", "554"},
    Wanted{"auth-plain-injection", "E", "535 554"},
    Wanted{"data-pipelined", "E", "250"},
    Wanted{"bdat-then-cmd", "EMR", "250"},
    Wanted{"bdat-dot", "EMR", "250"},
    Wanted{"bdat-zero-last", "EMR", "250"},
    Wanted{"bdat-bad-size", "EMR", "501"},
    Wanted{"bdat-neg", "EMR", "501"},
    Wanted{"mail-null", "E", "250"},
    Wanted{"rcpt-null", "EM", "501 553"},
    Wanted{"rcpt-postmaster", "EM", "250"},
    Wanted{"rcpt-source-route", "EM", "250"},
    Wanted{"mail-size-neg", "E", "501"},
    Wanted{"mail-unknown-param", "E", "555"},
    Wanted{"mail-smtputf8-not-offered", "H", "555"},
    Wanted{"ehlo-empty", "", "501"},
    Wanted{"ehlo-literal-v6", "", "250"},
    Wanted{"ehlo-literal-bad", "", "501"},
    Wanted{"vrfy", "E", "252"},
    Wanted{"quit-arg", "E", "501 221"},
    Wanted{"dsn-all", "E", "250"},
    Wanted{"dsn-notify-mixed", "EM", "501"},
    Wanted{"dsn-bad-xtext", "EM", "501"},
};

TEST(ServerEngine, AnswersEveryCommandCaseOfTheData) {
  const std::string path = test::shared_data(GODWIT_SOURCE_DIR, "smtp/commands.json");
  if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/smtp/commands.json is absent";
  const test::Json file = test::parse_json(test::read_text(path));
  ASSERT_EQ(file["cases"].items.size(), kWanted.size());
  for (size_t n = 0; n < kWanted.size(); ++n) {
    const Wanted& wanted = kWanted[n];
    SCOPED_TRACE(wanted.id);
    ASSERT_EQ(file["cases"].items[n]["id"].string, wanted.id);
    Session session({}, wanted.before != "H");
    if (!wanted.before.empty()) session.say(kEhlo);
    if (wanted.before.find('M') != std::string_view::npos) session.say(kMail);
    if (wanted.before.find('R') != std::string_view::npos) session.say(kRcpt);
    session.engine().take_output();
    const std::string bytes = test::from_hex(file["cases"].items[n]["hex"].string);
    const std::string output = session.say(bytes);
    ASSERT_GE(output.size(), 3u);
    EXPECT_NE(wanted.codes.find(output.substr(0, 3)), std::string_view::npos) << output;
    if (wanted.id.starts_with("cmd-")) EXPECT_FALSE(session.is_closed());
    if (wanted.id == "bdat-then-cmd") EXPECT_EQ(session.message(), "a\nb\r\n");
    if (wanted.id == "bdat-dot") EXPECT_EQ(session.message(), ".\r\n.\n");
    if (wanted.id == "data-pipelined") EXPECT_EQ(session.messages(), 0u);
  }
}

TEST(ServerEngine, AnswersAPipelinedGroupInOnePiece) {
  Session session;
  session.say(kEhlo);
  const std::string group = std::string(kMail) + std::string(kRcpt) + "DATA\r\n";
  EXPECT_EQ(session.say(group),
            "250 OK\r\n250 Accepted\r\n"
            "354 Enter message, ending with \".\" on a line by itself\r\n");
}

TEST(ServerEngine, ReadsThousandsOfChunksFromOneBufferWithoutRecursion) {
  Session session;
  session.say(kEhlo);
  std::string input = std::string(kMail) + std::string(kRcpt) + "BDAT 2\r\n\r\n";
  for (int n = 0; n < 20000; ++n) input += "BDAT 1\r\nx";
  input += "BDAT 0 LAST\r\n";
  session.say(input);
  EXPECT_EQ(session.messages(), 1u);
  EXPECT_EQ(session.message().size(), 20002u);
}

struct StartsWithFrom final : message::LineMatcher {
  bool matches(std::string_view line) const override { return line.starts_with("From "); }
};

TEST(ServerEngine, TakesFromLinesOffWhereItIsToldTo) {
  constexpr std::string_view kMessage = "From a Fri\r\nSubject: x\r\n\r\nFrom b\r\n";
  constexpr std::string_view kLeft = "Subject: x\r\n\r\nFrom b\r\n";
  const StartsWithFrom from_lines;
  ServerLimits limits;
  limits.enforce_sync = false;
  for (const bool takes_off : {false, true}) {
    limits.from_lines = takes_off ? &from_lines : nullptr;
    Session session(limits);
    session.say(kEhlo);
    session.say(std::string(kMail) + std::string(kRcpt) + "DATA\r\n");
    session.say(std::string(kMessage) + ".\r\n");
    EXPECT_EQ(session.message(), takes_off ? kLeft : kMessage);
    session.say(std::string(kMail) + std::string(kRcpt) + "BDAT 3\r\nFro" + "BDAT " +
                std::to_string(kMessage.size() - 3) + " LAST\r\n");
    session.say(kMessage.substr(3));
    EXPECT_EQ(session.message(), takes_off ? kLeft : kMessage);
    EXPECT_EQ(session.messages(), 2u);
  }
}

TEST(ServerEngine, GivesWhatItHasKeptBackOfAMessageThatEnds) {
  const StartsWithFrom from_lines;
  ServerLimits limits;
  limits.enforce_sync = false;
  limits.from_lines = &from_lines;
  Session session(limits);
  session.say(kEhlo);
  session.say(std::string(kMail) + std::string(kRcpt) + "DATA\r\n");
  EXPECT_EQ(session.say("Subject: x\r\n.\r\n"), "250 OK id=x\r\n");
  EXPECT_EQ(session.message(), "Subject: x\r\n");
  session.say(std::string(kMail) + std::string(kRcpt));
  session.say("BDAT 12 LAST\r\nSubject: x\r\n");
  EXPECT_EQ(session.message(), "Subject: x\r\n");
  EXPECT_EQ(session.messages(), 2u);
}

TEST(ServerEngine, ForgetsPlaintextWhenTlsStarts) {
  ServerLimits limits;
  limits.enforce_sync = false;
  Session session(limits);
  session.say(kEhlo);
  session.engine().receive("STARTTLS\r\nMAIL FROM:<evil@a.example>\r\n");
  EXPECT_EQ(session.engine().next().kind, EventKind::starttls);
  session.engine().reply(ReplyId::starttls_go_ahead);
  session.engine().tls_started();
  EXPECT_EQ(session.engine().take_output(), "220 TLS go ahead\r\n");
  EXPECT_EQ(session.engine().next().kind, EventKind::need_input);
  EXPECT_EQ(session.say(kMail), "503 HELO or EHLO required\r\n");
}

TEST(ServerEngine, TellsWhatItParsed) {
  ServerEngine engine(ServerLimits{});
  Offer offer;
  offer.extensions.set(Extension::dsn);
  offer.extensions.set(Extension::size);
  engine.set_offer(offer);
  engine.greet("mx");
  engine.receive(kEhlo);
  EXPECT_EQ(engine.next().text, "a.example");
  engine.accept_helo("mx");
  engine.next();
  engine.receive(
      "MAIL FROM:<@r.example:\"a b\"@a.example> SIZE=12 RET=FULL ENVID=x+20y AUTH=<>\r\n");
  EXPECT_EQ(engine.next().kind, EventKind::mail);
  const MailCommand& mail = engine.mail();
  EXPECT_EQ(mail.path.address, "\"a b\"@a.example");
  EXPECT_EQ(mail.path.local_part, "\"a b\"");
  EXPECT_EQ(mail.path.domain, "a.example");
  EXPECT_EQ(mail.size, 12u);
  EXPECT_EQ(mail.ret, DsnReturn::full);
  EXPECT_EQ(mail.envid, "x+20y");
  EXPECT_EQ(mail.auth, "<>");
  engine.reply(ReplyId::mail_ok);
  engine.next();
  engine.receive("RCPT TO:<b@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@b.example\r\n");
  EXPECT_EQ(engine.next().kind, EventKind::rcpt);
  EXPECT_EQ(engine.rcpt().notify, kNotifySuccess | kNotifyDelay);
  EXPECT_EQ(engine.rcpt().orcpt, "rfc822;b@b.example");
  engine.reply(ReplyId::rcpt_ok);
  EXPECT_EQ(engine.recipients_accepted(), 1u);
}

TEST(ServerEngine, KnowsTheHeaderSectionAtTheEndOfTheMessage) {
  ServerEngine engine(ServerLimits{});
  engine.greet("mx");
  engine.receive(kEhlo);
  engine.next();
  engine.accept_helo("mx");
  engine.next();
  engine.receive(kMail);
  engine.next();
  engine.reply(ReplyId::mail_ok);
  engine.next();
  engine.receive(kRcpt);
  engine.next();
  engine.reply(ReplyId::rcpt_ok);
  engine.next();
  engine.receive("DATA\r\n");
  EXPECT_EQ(engine.next().kind, EventKind::body_start);
  engine.reply(ReplyId::data_go_ahead);
  engine.next();
  engine.receive("From: a@a.example\r\nSubject: x\r\n\r\nbody\r\n.\r\n");
  EXPECT_EQ(engine.next().kind, EventKind::body_chunk);
  EXPECT_EQ(engine.next().kind, EventKind::body_end);
  EXPECT_TRUE(engine.headers().has(message::FieldKind::from));
  EXPECT_FALSE(engine.headers().has(message::FieldKind::date));
  EXPECT_EQ(engine.headers().body_offset(), 33u);
  EXPECT_EQ(engine.body().bytes, 39u);
  engine.reply({250, {}, "OK"});
  EXPECT_EQ(engine.next().kind, EventKind::need_input);
}

TEST(ServerEngine, IsSmallWhenIdle) {
  EXPECT_LT(sizeof(ServerEngine), 1024u);
}

}  // namespace
}  // namespace godwit::smtp
