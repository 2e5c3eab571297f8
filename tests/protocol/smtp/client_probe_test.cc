// A transaction that only asks for recipients: what callouts do.
#include "protocol/smtp/client_engine.h"

#include <gtest/gtest.h>

namespace godwit::smtp {
namespace {

// Answers each command of the client with the next reply; gives all commands.
std::string converse(ClientEngine& engine, std::vector<std::string> replies) {
  std::string said;
  size_t next = 0;
  for (;;) {
    const ClientEvent event = engine.next();
    said += engine.take_output();
    if (event.kind != ClientEventKind::need_input) return said;
    if (next == replies.size()) return said + "(silence)";
    engine.receive(replies[next++]);
  }
}

Transaction probe_for(std::string address) {
  Transaction out;
  out.recipients.push_back({std::move(address), 0, {}});
  out.is_probe = true;
  return out;
}

TEST(ClientProbe, EndsBeforeData) {
  ClientEngine engine({.helo_name = "me.test", .use_pipelining = false});
  EXPECT_EQ(converse(engine, {"220 hi\r\n", "250 hello\r\n"}), "EHLO me.test\r\n");
  engine.begin(probe_for("a@b"));
  EXPECT_EQ(converse(engine, {"250 ok\r\n", "250 ok\r\n"}), "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
  ASSERT_EQ(engine.outcomes().size(), 1u);
  EXPECT_EQ(engine.outcomes()[0].outcome, OutcomeClass::delivered);
  EXPECT_EQ(engine.next().kind, ClientEventKind::ready);
  engine.begin(probe_for("postmaster@b"));
  EXPECT_EQ(converse(engine, {"250 reset\r\n", "250 ok\r\n", "550 no\r\n"}),
            "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster@b>\r\n");
  EXPECT_EQ(engine.outcomes()[0].outcome, OutcomeClass::recipient_failed);
  EXPECT_EQ(engine.outcomes()[0].command, "RCPT TO:<postmaster@b>");
}

TEST(ClientProbe, TellsARefusedSenderFromARefusedRecipient) {
  ClientEngine engine({.helo_name = "me.test", .use_pipelining = false});
  converse(engine, {"220 hi\r\n", "250 hello\r\n"});
  engine.begin(probe_for("a@b"));
  converse(engine, {"550 no bounces\r\n"});
  EXPECT_EQ(engine.outcomes()[0].outcome, OutcomeClass::message_failed);
  EXPECT_EQ(engine.outcomes()[0].command, "MAIL FROM:<>");
}

}  // namespace
}  // namespace godwit::smtp
