#include "bench/sink/dialogue.h"

#include "bench/sink/options.h"

#include <gtest/gtest.h>

namespace godwit::bench {
namespace {

class Taker final : public MessageTaker {
 public:
  void on_message(const TakenMessage& message) override {
    ++messages;
    recipients = message.recipients;
    bytes = message.check.body_bytes();
  }
  void on_quit() override { ++quits; }

  int messages = 0;
  int quits = 0;
  std::vector<std::string> recipients;
  uint64_t bytes = 0;
};

// A session under these options; say() gives all replies, and follows pauses without waiting.
class Session {
 public:
  explicit Session(std::vector<std::string_view> arguments) {
    arguments.push_back(":1");
    options_ = std::move(*parse_sink_options(arguments));
    features_ = features_of(options_, options_.tls);
    dialogue_.emplace(options_, features_, taker, random_, "127.0.0.1");
    follow(dialogue_->begin());
  }

  std::string say(std::string_view input) {
    while (!input.empty() && !ended) follow(dialogue_->feed(input));
    return take();
  }
  std::string take() { return std::exchange(dialogue_->output(), {}); }

  Taker taker;
  bool ended = false;
  int64_t paused_micros = 0;
  int handshakes = 0;

 private:
  void follow(SinkDialogue::Next next) {
    if (next == SinkDialogue::Next::pause) {
      paused_micros += dialogue_->pause_micros();
      next = dialogue_->resume();
    }
    ended |= next == SinkDialogue::Next::end;
    if (next != SinkDialogue::Next::tls) return;
    ++handshakes;
    features_ = features_of(options_, false);
    dialogue_->tls_started(features_);
  }

  SinkOptions options_;
  std::string features_;
  Random random_{1};
  std::optional<SinkDialogue> dialogue_;
};

constexpr std::string_view kEnvelope = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n";

TEST(SinkDialogue, AnswersAPipelinedTransactionInOnePiece) {
  Session session({});
  EXPECT_EQ(session.take(), "220 smtp-sink ESMTP\r\n");
  EXPECT_EQ(session.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<\"c d\"@y> "
                        "NOTIFY=NEVER\r\nDATA\r\nS: x\r\n\r\nhi\r\n..\r\n.\r\nQUIT\r\n"),
            "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n354 End data with "
            "<CR><LF>.<CR><LF>\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n");
  EXPECT_TRUE(session.ended);
  EXPECT_EQ(session.taker.messages, 1);
  EXPECT_EQ(session.taker.recipients, (std::vector<std::string>{"b@y", "\"c d\"@y"}));
  EXPECT_EQ(session.taker.bytes, 7u);
}

TEST(SinkDialogue, TakesChunksWithCommandsInOneSegment) {
  Session session({});
  session.take();
  EXPECT_EQ(session.say(std::string(kEnvelope) +
                        "BDAT 6\r\nS: x\r\nBDAT 4 LAST\r\n\r\n.\rNOOP\r\nBDAT 0 LAST\r\n"),
            "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"
            "503 5.5.1 Error: need RCPT command\r\n");
  EXPECT_EQ(session.taker.messages, 1);
  EXPECT_EQ(session.taker.bytes, 2u);
}

TEST(SinkDialogue, IsTheSameByteByByte) {
  Session session({});
  session.take();
  const std::string wire = std::string(kEnvelope) + "DATA\r\n\r\na\r\n.\r\n";
  std::string replies;
  for (const char c : wire) replies += session.say(std::string_view(&c, 1));
  EXPECT_EQ(session.taker.messages, 1);
  EXPECT_EQ(session.taker.bytes, 3u);
}

TEST(SinkDialogue, OffersWhatIsNotHidden) {
  Session all({});
  all.take();
  const std::string offered = all.say("EHLO me\r\n");
  for (const std::string_view name : {"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES",
                                      "DSN", "CHUNKING", "SIZE", "AUTH", "XCLIENT", "XFORWARD"}) {
    EXPECT_NE(offered.find(name), std::string::npos) << name;
  }
  Session none(
      {"-8", "-a", "-C", "-E", "-F", "-N", "-p", "--no-chunking", "--no-size", "--no-smtputf8"});
  none.take();
  EXPECT_EQ(none.say("EHLO me\r\nNOOP\r\n"), "250 smtp-sink\r\n250 Ok\r\n");
  Session old({"-e"});
  EXPECT_EQ(old.take(), "220 smtp-sink\r\n");
  EXPECT_EQ(old.say("EHLO me\r\n"), "500 5.5.1 Error: unknown command\r\n");
}

TEST(SinkDialogue, BeginsTlsOnceAndForgetsWhatWasSaidInClear) {
  Session session({"--tls"});
  session.take();
  EXPECT_NE(session.say("EHLO me\r\n").find("STARTTLS"), std::string::npos);
  session.say("MAIL FROM:<a@x>\r\n");
  EXPECT_EQ(session.say("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
  EXPECT_EQ(session.handshakes, 1);
  EXPECT_EQ(session.say("RCPT TO:<b@y>\r\n"), "503 5.5.1 Error: need MAIL command\r\n");
  EXPECT_EQ(session.say("EHLO me\r\n").find("STARTTLS"), std::string::npos);
  EXPECT_EQ(session.say("STARTTLS\r\n"), "500 5.5.1 Error: unknown command\r\n");
  EXPECT_EQ(session.handshakes, 1);
}

TEST(SinkDialogue, BeginsNoTlsWhereItIsNotOfferedOrIsRefused) {
  for (const std::vector<std::string_view>& arguments : {std::vector<std::string_view>{},
                                                         {"--tls", "-f", "STARTTLS"},
                                                         {"--tls", "-r", "STARTTLS"},
                                                         {"--tls", "-q", "STARTTLS"},
                                                         {"--tls", "-Q", "STARTTLS"}}) {
    Session session(arguments);
    session.say("EHLO me\r\nSTARTTLS\r\n");
    EXPECT_EQ(session.handshakes, 0);
  }
  Session late({"--tls", "-W", "STARTTLS:1"});
  late.say("STARTTLS\r\n");
  EXPECT_EQ(late.handshakes, 1);
  EXPECT_EQ(late.paused_micros, 1'000'000);
}

TEST(SinkDialogue, MakesTheFaultsItIsAskedFor) {
  struct Case {
    std::vector<std::string_view> arguments;
    std::string_view input, want;
    bool ends;
    int messages;
  };
  const std::string message = std::string(kEnvelope) + "DATA\r\n\r\nx\r\n.\r\n";
  const std::string ok = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n";
  const std::string go = ok + "354 End data with <CR><LF>.<CR><LF>\r\n";
  const std::string dropped = go + "421 4.3.0 Error: command failed\r\n";
  const std::string soft = go + "450 4.3.0 Error: command failed\r\n";
  const std::string hard = go + "550 mine\r\n";
  const std::string aborted = go + "550 5.3.0 Error: command failed\r\n";
  const std::vector<Case> cases{
      {{"-q", "."}, message, go, true, 0},
      {{"-Q", "."}, message, dropped, true, 0},
      {{"-r", "."}, message, soft, false, 0},
      {{"-f", ".", "-B", "550 mine"}, message, hard, false, 0},
      {{"-A", "1"}, message, aborted, true, 0},
      {{"-r", "MAIL"}, "MAIL FROM:<>\r\n", "450 4.3.0 Error: command failed\r\n", false, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.arguments.front());
    Session session(c.arguments);
    session.take();
    EXPECT_EQ(session.say(c.input), c.want);
    EXPECT_EQ(session.ended, c.ends);
    EXPECT_EQ(session.taker.messages, c.messages);
  }
}

TEST(SinkDialogue, PausesBeforeTheReply) {
  Session session({"-W", "MAIL:2", "-w", "3", "-H", "4"});
  session.take();
  session.say("MAIL FROM:<a@x>\r\n");
  EXPECT_EQ(session.paused_micros, 2'000'000);
}

TEST(SinkDialogue, AnswersForEachRecipientInLmtp) {
  Session session({"-L"});
  EXPECT_EQ(session.take(), "220 smtp-sink LMTP\r\n");
  session.say("LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
  EXPECT_EQ(session.say("\r\n.\r\n"), "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
}

}  // namespace
}  // namespace godwit::bench
