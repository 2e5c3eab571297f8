#include "bench/ledger/reconcile.h"

#include <gtest/gtest.h>

namespace godwit::bench {
namespace {

std::string token(uint64_t sequence, uint32_t session = 1) {
  return to_string(Token{7, session, sequence, 100, 42});
}
std::string sent(uint64_t sequence, std::string_view outcome = "250",
                 std::string_view recipients = "b@y") {
  return "S " + token(sequence) + " " + std::string(outcome) + " 1 " + std::string(recipients) +
         "\n";
}
std::string received(uint64_t sequence, std::string_view check = "ok",
                     std::string_view recipients = "b@y") {
  return "R " + token(sequence) + " " + std::string(check) + " 2 100 " + std::string(recipients) +
         "\n";
}

TEST(Reconcile, IsSoundWhereAllArrived) {
  const Reconciliation result = reconcile(sent(1) + sent(2, "4xx") + sent(3, "5xx"), received(1));
  EXPECT_TRUE(result.is_sound());
  EXPECT_EQ(result.sent_messages, 3u);
  EXPECT_EQ(result.accepted, 1u);
  EXPECT_EQ(result.deferred, 1u);
  EXPECT_EQ(result.refused, 1u);
  EXPECT_EQ(result.received, 1u);
}

TEST(Reconcile, FindsALostRecipient) {
  const Reconciliation result = reconcile(sent(1, "250", "b@y,c@y"), received(1, "ok", "c@y"));
  EXPECT_EQ(result.lost, 1u);
  EXPECT_FALSE(result.is_sound());
  ASSERT_EQ(result.samples.size(), 1u);
  EXPECT_EQ(result.samples.front(), "lost " + token(1) + " b@y");
}

TEST(Reconcile, CountsRecipientsHoweverTransactionsAreSplit) {
  const std::string source = sent(1, "250", "b@y,c@y,d@y");
  const std::string apart = received(1, "ok", "c@y") + received(1, "ok", "b@y,d@y");
  for (const std::string& sink : {apart, received(1, "ok", "d@y,c@y,b@y")}) {
    const Reconciliation result = reconcile(source, sink);
    EXPECT_TRUE(result.is_sound());
    EXPECT_EQ(result.accepted, 3u);
    EXPECT_EQ(result.received, 3u);
    EXPECT_EQ(result.duplicated, 0u);
  }
}

TEST(Reconcile, CountsEachRepetition) {
  const Reconciliation result = reconcile(sent(1), received(1) + received(1) + received(1));
  EXPECT_EQ(result.duplicated, 2u);
  EXPECT_TRUE(result.is_sound());
}

TEST(Reconcile, TellsShortFromWrongBodies) {
  const Reconciliation result =
      reconcile(sent(1) + sent(2) + sent(3),
                received(1, "short") + received(2, "long") + received(3, "corrupt"));
  EXPECT_EQ(result.truncated, 1u);
  EXPECT_EQ(result.corrupt, 2u);
  EXPECT_EQ(result.lost, 0u);
  EXPECT_FALSE(result.is_sound());
}

TEST(Reconcile, SeesOrderWithinASessionOnly) {
  const Reconciliation result = reconcile(sent(1) + sent(2) + sent(3) + sent(0),
                                          received(1) + received(3) + received(2) + received(0));
  EXPECT_EQ(result.reordered, 2u);
  EXPECT_TRUE(result.is_sound());
}

TEST(Reconcile, KeepsUnknownOutcomesApart) {
  const Reconciliation result = reconcile(sent(1, "unknown") + sent(2, "unknown"), received(2));
  EXPECT_EQ(result.unknown, 2u);
  EXPECT_EQ(result.unknown_received, 1u);
  EXPECT_EQ(result.lost, 0u);
}

TEST(Reconcile, NoticesWhatArrivedThoughRefused) {
  const Reconciliation result = reconcile(sent(1, "4xx"), received(1));
  EXPECT_EQ(result.refused_received, 1u);
}

TEST(Reconcile, CountsStrangers) {
  const Reconciliation result =
      reconcile(sent(1), received(1) + received(9) + "R - none 2 100 b@y\n");
  EXPECT_EQ(result.foreign, 2u);
  EXPECT_TRUE(result.is_sound());
}

TEST(Reconcile, LeavesOutALineThatItsWriterCouldNotEnd) {
  const std::string cut = sent(2).substr(0, 20);
  EXPECT_TRUE(reconcile(sent(1) + cut, received(1)).is_sound());
  EXPECT_EQ(reconcile(sent(1) + cut + "\n", received(1)).bad_lines, 1u);
}

TEST(Reconcile, WritesTextAndJson) {
  const Reconciliation result = reconcile(sent(1), "");
  EXPECT_NE(result.to_text().find("NOT SOUND"), std::string::npos);
  EXPECT_NE(result.to_json().find("\"lost\":1"), std::string::npos);
}

}  // namespace
}  // namespace godwit::bench
