#include "delivery/queue/entry.h"

#include "core/base/random.h"
#include "delivery/queue/message_key.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

TEST(QueueEntry, IsSmall) {
  // With a slot of the table and one of the heap: far below the 300 bytes of a queued message.
  EXPECT_LE(sizeof(QueueEntry), 112U);
}

TEST(QueueEntry, ChangesRoundTrip) {
  QueueEntry entry;
  ASSERT_TRUE(apply_change(entry, encode_done({3, 1, 7})).has_value());
  ASSERT_TRUE(apply_change(entry, encode_done({1, 2})).has_value());
  ASSERT_TRUE(apply_change(entry, encode_number(ChangeKind::schedule, 4711)).has_value());
  ASSERT_TRUE(apply_change(entry, encode_number(ChangeKind::frozen, 99)).has_value());
  ASSERT_TRUE(apply_change(entry, encode_number(ChangeKind::warned, 2)).has_value());
  ASSERT_TRUE(apply_change(entry, encode_number(ChangeKind::released, 1)).has_value());
  ASSERT_TRUE(apply_change(entry, encode_text(ChangeKind::sender, "<>")).has_value());
  ASSERT_TRUE(apply_change(entry, encode_text(ChangeKind::recipient, "x@y")).has_value());
  ASSERT_TRUE(apply_change(entry, encode_text(ChangeKind::in_doubt, "[192.0.2.1]:25")).has_value());
  ASSERT_TRUE(apply_change(entry, encode_text(ChangeKind::header_domain, "a a.b")).has_value());
  ASSERT_NE(entry.progress, nullptr);
  EXPECT_EQ(entry.progress->header_domains, std::vector<std::string>{"a a.b"});
  EXPECT_EQ(entry.progress->done, (std::vector<uint32_t>{1, 2, 3, 7}));
  EXPECT_TRUE(entry.progress->is_done(7));
  EXPECT_FALSE(entry.progress->is_done(4));
  EXPECT_EQ(entry.next_attempt.micros, 4711);
  EXPECT_TRUE(entry.frozen);
  EXPECT_EQ(entry.progress->warnings_sent, 2);
  EXPECT_TRUE(entry.progress->released);
  EXPECT_EQ(entry.progress->new_sender, "<>");
  EXPECT_EQ(entry.progress->added, std::vector<std::string>{"x@y"});
  EXPECT_EQ(entry.progress->in_doubt_host, "[192.0.2.1]:25");
  ASSERT_TRUE(apply_change(entry, encode_number(ChangeKind::frozen, 0)).has_value());
  EXPECT_FALSE(entry.frozen);
}

TEST(QueueEntry, GeneratedAddressesThatAreDoneAreRemembered) {
  QueueEntry entry;
  for (const char* key : {"b@x.test", "a@x.test", "|cat:list@x.test", "a@x.test"})
    EXPECT_TRUE(apply_change(entry, encode_text(ChangeKind::child, key)));
  EXPECT_EQ(entry.progress->done_children.size(), 3U);
  EXPECT_TRUE(entry.progress->is_child_done("a@x.test"));
  EXPECT_FALSE(entry.progress->is_child_done("c@x.test"));
}

TEST(QueueEntry, BytesOfSomebodyElseAreRefused) {
  Random random(11);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(random.below(12), '\0');
    for (char& c : bytes) c = static_cast<char>(random.below(256));
    QueueEntry entry;
    const Result<void> applied = apply_change(entry, bytes);
    if (bytes.empty() || static_cast<unsigned char>(bytes[0]) > 11 || bytes[0] == 0)
      EXPECT_FALSE(applied);
  }
  QueueEntry entry;
  EXPECT_FALSE(apply_change(entry, encode_done({1}) + "x"));
  EXPECT_FALSE(apply_change(entry, std::string(1, static_cast<char>(ChangeKind::schedule))));
}

TEST(MessageKey, RoundTripsBothFormsAndKeepsTheirOrder) {
  const char* const kIds[] = {"1vM5mI-00000001Abc-0001", "1vM5mI-00000001Abc-0002",
                              "1vM5mJ-00000000000-0000", "zzzzzz-zzzzzzzzzzz-zzzz"};
  spool::MessageKey last{};
  for (const char* text : kIds) {
    const message::MessageId id = *message::MessageId::parse(text);
    const spool::MessageKey key = key_of(id);
    EXPECT_EQ(id_of(key).text(), text);
    EXPECT_LT(last, key);
    last = key;
  }
  const message::MessageId old = *message::MessageId::parse("1VdNti-0001OY-1V");
  EXPECT_EQ(id_of(key_of(old)).text(), old.text());
  EXPECT_TRUE(id_of(spool::MessageKey{0, 1}).empty());
}

}  // namespace
}  // namespace godwit::delivery
