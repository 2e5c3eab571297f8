#include "protocol/message/fixups.h"

#include "protocol/message/message_id.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace godwit::message {
namespace {

constexpr WallTime kNow = WallTime::from_seconds(1'795'235'400);  // 2026-11-21 04:30:00 UTC

TEST(MessageId, HasEximsForm) {
  const MessageId id = MessageId::make(static_cast<uint64_t>(kNow.seconds()), 12345, 678);
  EXPECT_EQ(id.text().size(), kMessageIdBytes);
  EXPECT_EQ(id.text().substr(6), "-000000003D7-00Aw");
  EXPECT_EQ(id.seconds(), kNow.seconds());
  EXPECT_EQ(*MessageId::parse(id.text()), id);
}

TEST(MessageId, ReadsBothForms) {
  EXPECT_TRUE(MessageId::parse("1aBcDe-0000000XyZ1-0aB9"));
  const Result<MessageId> old = MessageId::parse("1aBcDe-000XyZ-aB");
  ASSERT_TRUE(old);
  EXPECT_TRUE(old->is_old_form());
  for (const char* bad : {"", "1aBcDe", "1aBcDe-000XyZ-a", "1aBcDe_000XyZ-aB", "1aBcDe-000XyZ-a/",
                          "1aBcDe-0000000XyZ1-0aB9x", "../../etc/passwd"}) {
    EXPECT_FALSE(MessageId::parse(bad)) << bad;
  }
}

TEST(MessageIdGenerator, IncreasesWhateverTheClockDoes) {
  MessageIdGenerator generator(4242, 1, kNow);
  MessageId last = generator.next(kNow);
  constexpr std::array<int64_t, 6> kSteps{0, 0, 1, -5'000'000, -3'600'000'000, 2};
  for (const int64_t step : kSteps) {
    const MessageId id = generator.next({kNow.micros + step});
    EXPECT_LT(last, id);
    last = id;
  }
}

TEST(MessageIdGenerator, IsUniqueAcrossWorkersAndRestarts) {
  std::set<std::string> seen;
  size_t made = 0;
  for (const uint32_t pid : {1u, 2u, 4'194'303u}) {
    for (const uint32_t worker : {0u, 1u, 511u}) {
      for (const int64_t start : {0, 10'000, 20'000}) {
        MessageIdGenerator generator(pid, worker, {kNow.micros + start});
        for (int n = 0; n < 100; ++n, ++made) seen.insert(generator.next(kNow).to_string());
      }
    }
  }
  EXPECT_EQ(seen.size(), made);
}

TEST(Fixups, ReceivedIsWhatEximPrints) {
  ReceivedFacts facts{.rcvhost = "mail.a.example ([192.0.2.1] helo=x)",
                      .host = "mx.example.org",
                      .protocol = "esmtp",
                      .program = "Godwit",
                      .version = "0.1.0",
                      .sender = "a@a.example",
                      .id = "1aBcDe-0000000XyZ1-0aB9",
                      .received_for = "b@b.example",
                      .date = kNow,
                      .utc = true};
  EXPECT_EQ(received_field(facts),
            "Received: from mail.a.example ([192.0.2.1] helo=x)\r\n"
            "\tby mx.example.org with esmtp (Godwit 0.1.0)\r\n"
            "\t(envelope-from <a@a.example>)\r\n"
            "\tid 1aBcDe-0000000XyZ1-0aB9\r\n"
            "\tfor b@b.example;\r\n"
            "\tSat, 21 Nov 2026 04:30:00 +0000\r\n");
  facts.protocol = "esmtps";
  facts.tls_version = "TLS1.3";
  facts.tls_cipher = "TLS_AES_256_GCM_SHA384";
  facts.sender = "";
  facts.received_for = "";
  EXPECT_EQ(received_field(facts),
            "Received: from mail.a.example ([192.0.2.1] helo=x)\r\n"
            "\tby mx.example.org with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n"
            "\t(Godwit 0.1.0)\r\n"
            "\tid 1aBcDe-0000000XyZ1-0aB9;\r\n"
            "\tSat, 21 Nov 2026 04:30:00 +0000\r\n");
}

TEST(Fixups, ReceivedOfLocalMail) {
  const ReceivedFacts facts{.ident = "joe",
                            .host = "mx.example.org",
                            .protocol = "local",
                            .program = "Godwit",
                            .version = "0.1.0",
                            .sender = "joe@example.org",
                            .id = "x",
                            .date = kNow,
                            .utc = true};
  EXPECT_TRUE(received_field(facts).starts_with(
      "Received: from joe by mx.example.org with local (Godwit 0.1.0)\r\n"));
}

TEST(Fixups, NoTextCanStartALineOfItsOwn) {
  const ReceivedFacts facts{.rcvhost = "x\r\nBcc: y", .host = "h", .sender = "a\nb", .date = kNow};
  const std::string field = received_field(facts);
  EXPECT_EQ(field.find("\nBcc"), std::string::npos);
  EXPECT_EQ(field.find("a\nb"), std::string::npos);
}

struct HostCase {
  RemoteHostFacts facts;
  std::string_view want;
};
const std::array kHosts{
    HostCase{{.name = "", .ip = "192.0.2.1"}, "[192.0.2.1]"},
    HostCase{{.name = "", .ip = "192.0.2.1", .helo = "x"}, "[192.0.2.1] (helo=x)"},
    HostCase{{.name = "", .ip = "192.0.2.1", .helo = "[192.0.2.1]"}, "[192.0.2.1]"},
    HostCase{{.name = "", .ip = "192.0.2.1", .helo = "x", .ident = "joe", .port = 25},
             "[192.0.2.1] (port=25 helo=x ident=joe)"},
    HostCase{{.name = "a.example", .ip = "192.0.2.1", .helo = "A.example"},
             "a.example ([192.0.2.1])"},
    HostCase{{.name = "a.example", .ip = "192.0.2.1", .helo = "x", .port = 25},
             "a.example ([192.0.2.1]:25 helo=x)"},
};

TEST(Fixups, DescribesTheRemoteHost) {
  for (const HostCase& c : kHosts) EXPECT_EQ(sender_rcvhost(c.facts), c.want);
}

TEST(Fixups, MessageIdAndDate) {
  const MessageId id = *MessageId::parse("1aBcDe-0000000XyZ1-0aB9");
  EXPECT_EQ(message_id_field(id, "mx.example.org", "", false),
            "Message-Id: <E1aBcDe-0000000XyZ1-0aB9@mx.example.org>\r\n");
  EXPECT_EQ(message_id_field(id, "mx.example.org", "t", true),
            "Resent-Message-Id: <E1aBcDe-0000000XyZ1-0aB9.t@mx.example.org>\r\n");
  EXPECT_EQ(date_field(kNow, true, false), "Date: Sat, 21 Nov 2026 04:30:00 +0000\r\n");
  EXPECT_EQ(return_path_field(""), "Return-path: <>\r\n");
  EXPECT_EQ(envelope_to_field("b@b.example"), "Envelope-to: b@b.example\r\n");
}

TEST(Fixups, NothingIsAddedToRelayedMail) {
  HeaderScanner bare;
  bare.feed("Subject: x\r\n\r\n");
  const MissingFields relayed = missing_fields(bare, Origin::relayed);
  EXPECT_FALSE(relayed.date || relayed.message_id || relayed.from);
  const MissingFields submitted = missing_fields(bare, Origin::submission);
  EXPECT_TRUE(submitted.date && submitted.message_id && submitted.from);
  HeaderScanner resent;
  resent.feed("Date: x\r\nResent-From: a@a.example\r\n\r\n");
  const MissingFields again = missing_fields(resent, Origin::local);
  EXPECT_TRUE(again.date && again.message_id);
  EXPECT_FALSE(again.from);
}

}  // namespace
}  // namespace godwit::message
