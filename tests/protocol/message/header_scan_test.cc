#include "protocol/message/header_scan.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace godwit::message {
namespace {

std::string summary(const HeaderScanner& scanner) {
  std::string out;
  for (const FieldPlace& field : scanner.fields()) {
    out += std::to_string(field.offset) + "+" + std::to_string(field.bytes) + "/" +
           std::to_string(field.name_bytes) + field_row(field.kind).letter + " ";
  }
  out += "h" + std::to_string(scanner.header_bytes()) + " b" +
         std::to_string(scanner.body_offset()) + " l" + std::to_string(scanner.body_lines()) +
         " w" + std::to_string(scanner.line_bytes_longest());
  return out;
}

std::string scan(std::string_view message, size_t piece) {
  HeaderScanner scanner;
  for (size_t at = 0; at < message.size(); at += piece) scanner.feed(message.substr(at, piece));
  scanner.finish();
  return summary(scanner);
}

struct Case {
  std::string_view name, message, want;
};
constexpr std::array kCases{
    Case{"empty", "", "h0 b0 l0 w0"},
    Case{"plain", "From: a\r\nTo: b\r\n\r\nx\r\n", "0+9/4F 9+7/2T h16 b18 l1 w7"},
    Case{"LF", "From: a\nTo: b\n\nx\n", "0+8/4F 8+6/2T h14 b15 l1 w7"},
    Case{"folded", "Subject: a\r\n b\r\nTo: c\r\n\r\n", "0+16/7  16+7/2T h23 b25 l0 w10"},
    Case{"no body", "From: a\r\n", "0+9/4F h9 b9 l0 w7"},
    Case{"body at once", "\r\nx\r\n", "h0 b2 l1 w1"},
    Case{"no header", "hello there\r\n\r\nx\r\n", "h0 b0 l3 w11"},
    Case{"broken line", "From: a\r\nbroken line\r\nTo: b\r\n", "0+9/4F h9 b9 l2 w11"},
    Case{"blank before colon", "From : a\r\n\r\n", "0+10/4F h10 b12 l0 w8"},
    Case{"leading blank", " From: a\r\n\r\n", "h0 b0 l2 w8"},
    Case{"CR alone", "From: a\r\n\rx\r\n", "0+9/4F h9 b9 l1 w7"},
    Case{"open last line", "From: a\r\n\r\nx", "0+9/4F h9 b11 l1 w7"},
    Case{"8 bit name", "Fr\xc3\xbcm: a\r\n", "0+10/5  h10 b10 l0 w8"},
    Case{"colon first", ": a\r\n", "h0 b0 l1 w3"},
};

TEST(HeaderScanner, FindsFieldsHoweverTheMessageIsCut) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    for (size_t piece = 1; piece <= c.message.size() + 1; ++piece) {
      EXPECT_EQ(scan(c.message, piece), c.want) << piece;
    }
  }
}

TEST(HeaderScanner, CountsWhatMatters) {
  HeaderScanner scanner;
  scanner.feed("Received: a\r\nreceived: b\r\nResent-To: c\r\nBCC: d\r\n\r\n\xc3\xbc\0x\r\n");
  scanner.feed(std::string_view("a\0b\r\n", 5));
  scanner.finish();
  EXPECT_EQ(scanner.count(FieldKind::received), 2u);
  EXPECT_TRUE(scanner.has_resent());
  EXPECT_TRUE(scanner.has(FieldKind::bcc));
  EXPECT_FALSE(scanner.has(FieldKind::from));
  EXPECT_TRUE(scanner.has_8bit());
  EXPECT_EQ(scanner.zero_bytes(), 1u);
  EXPECT_EQ(scanner.verdict(), HeaderVerdict::good);
}

HeaderVerdict judge(const HeaderLimits& limits, std::string_view message) {
  HeaderScanner scanner(limits);
  for (const char c : message) scanner.feed({&c, 1});
  scanner.finish();
  HeaderScanner whole(limits);
  whole.feed(message);
  whole.finish();
  EXPECT_EQ(whole.verdict(), scanner.verdict());
  return scanner.verdict();
}

TEST(HeaderScanner, JudgesLimits) {
  EXPECT_EQ(judge({.header_bytes_max = 9}, "From: a\r\n\r\nlong body here"), HeaderVerdict::good);
  EXPECT_EQ(judge({.header_bytes_max = 8}, "From: a\r\n\r\n"), HeaderVerdict::too_long);
  EXPECT_EQ(judge({.line_bytes_max = 9}, "From: a\r\nTo: b\r\n\r\n"), HeaderVerdict::good);
  EXPECT_EQ(judge({.line_bytes_max = 9}, "To: a\r\n b\r\n\r\n"), HeaderVerdict::line_too_long);
  EXPECT_EQ(judge({.received_max = 1}, "Received: a\r\n\r\n"), HeaderVerdict::good);
  EXPECT_EQ(judge({.received_max = 1}, "Received: a\r\nReceived: b\r\n\r\n"),
            HeaderVerdict::too_many_received);
  EXPECT_EQ(judge({}, "From: a"), HeaderVerdict::not_terminated);
  EXPECT_EQ(judge({}, "From: a\r\n"), HeaderVerdict::good);
  EXPECT_EQ(judge({}, ""), HeaderVerdict::good);
}

TEST(HeaderScanner, KeepsABoundedIndex) {
  HeaderScanner scanner;
  for (size_t n = 0; n < kIndexedFieldsMax + 5; ++n) scanner.feed("X: y\r\n");
  scanner.finish();
  EXPECT_EQ(scanner.fields().size(), kIndexedFieldsMax);
  EXPECT_FALSE(scanner.fields_complete());
  EXPECT_EQ(scanner.count(FieldKind::other), kIndexedFieldsMax + 5);
}

TEST(HeaderScanner, GivesTheFieldsWithTheirLetters) {
  constexpr std::string_view kMessage = "From: a\r\nX: y\r\n z\r\n\r\nbody";
  HeaderScanner scanner;
  scanner.feed(kMessage);
  const std::vector<HeaderField> fields = header_fields(scanner, kMessage);
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0].letter, 'F');
  EXPECT_EQ(fields[1].text, "X: y\r\n z\r\n");
  EXPECT_EQ(header_fields(scanner, "From: a\r\n").size(), 1u);
}

TEST(HeaderFields, LettersAreExims) {
  EXPECT_EQ(field_letter("bcc"), 'B');
  EXPECT_EQ(field_letter("CC"), 'C');
  EXPECT_EQ(field_letter("From"), 'F');
  EXPECT_EQ(field_letter("Message-ID"), 'I');
  EXPECT_EQ(field_letter("Received"), 'P');
  EXPECT_EQ(field_letter("Reply-To"), 'R');
  EXPECT_EQ(field_letter("Resent-Sender"), 'S');
  EXPECT_EQ(field_letter("to"), 'T');
  EXPECT_EQ(field_letter("Subject"), ' ');
  EXPECT_EQ(field_kind("X-Other"), FieldKind::other);
  for (size_t n = 1; n < kFieldKindCount; ++n) {
    const auto kind = static_cast<FieldKind>(n);
    EXPECT_EQ(field_kind(field_row(kind).name), kind);
  }
}

}  // namespace
}  // namespace godwit::message
