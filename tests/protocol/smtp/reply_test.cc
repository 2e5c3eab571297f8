#include "protocol/smtp/reply.h"

#include "protocol/smtp/extensions.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/reply_parser.h"
#include "protocol/smtp/verbs.h"
#include "protocol/smtp/xtext.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace godwit::smtp {
namespace {

TEST(Reply, EveryNamedReplyHasACodeAndAnEnhancedStatusOfItsClass) {
  for (size_t n = 0; n < kReplyIdCount; ++n) {
    const ReplyView reply = named_reply(static_cast<ReplyId>(n));
    SCOPED_TRACE(reply.text);
    EXPECT_GE(reply.code, 200);
    EXPECT_LT(reply.code, 600);
    EXPECT_FALSE(reply.text.empty());
    if (reply.enhanced.empty()) continue;
    EXPECT_TRUE(is_enhanced_status(reply.enhanced));
    EXPECT_EQ(reply.enhanced.front() - '0', reply.code / 100);
  }
}

struct RenderCase {
  ReplyView reply;
  std::string_view plain, enhanced;
};
constexpr std::array kRender{
    RenderCase{{250, "2.1.0", "OK"}, "250 OK\r\n", "250 2.1.0 OK\r\n"},
    RenderCase{{250, "", "OK"}, "250 OK\r\n", "250 OK\r\n"},
    RenderCase{{354, "3.0.0", "go"}, "354 go\r\n", "354 go\r\n"},
    RenderCase{{550, "5.1.1", "a\nb"}, "550-a\r\n550 b\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n"},
    RenderCase{
        {450, "4.0.0", "4.7.1 x\ny"}, "450-4.7.1 x\r\n450 y\r\n", "450-4.7.1 x\r\n450 4.7.1 y\r\n"},
    RenderCase{{550, "", "4.7.1 x"}, "550 4.7.1 x\r\n", "550 5.7.1 x\r\n"},
    RenderCase{{550, "5.0.0", ""}, "550 \r\n", "550 5.0.0 \r\n"},
};

TEST(Reply, PrintsEnhancedCodesOnEveryLineOrNone) {
  for (const RenderCase& c : kRender) {
    std::string plain;
    append_reply(plain, c.reply, false);
    EXPECT_EQ(plain, c.plain);
    std::string enhanced;
    append_reply(enhanced, c.reply, true);
    EXPECT_EQ(enhanced, c.enhanced);
  }
}

TEST(Reply, BoundsTheLinesOfAText) {
  std::string out;
  append_reply(out, {250, {}, std::string(1000, '\n')}, false);
  EXPECT_EQ(out.size(), kReplyLinesMax * 6);
  EXPECT_TRUE(out.ends_with("250 \r\n"));
}

TEST(Reply, KnowsEnhancedStatusCodes) {
  for (const char* good : {"2.0.0", "4.7.1", "5.999.999"}) EXPECT_TRUE(is_enhanced_status(good));
  for (const char* bad :
       {"", "3.0.0", "5.1", "5.1.", "5..1", "5.1.1.1", "5.1000.1", "55.1.1", "5.1.x"}) {
    EXPECT_FALSE(is_enhanced_status(bad)) << bad;
  }
}

struct ParseCase {
  std::string_view name, input;
  uint16_t code;  // 0: malformed
  std::string_view text, enhanced;
};
constexpr std::array kParse{
    ParseCase{"one line", "250 OK\r\n", 250, "OK", ""},
    ParseCase{"no text", "250\r\n", 250, "", ""},
    ParseCase{"blank only", "250 \r\n", 250, "", ""},
    ParseCase{"lines", "250-a\r\n250-b\r\n250 c\r\n", 250, "a\nb\nc", ""},
    ParseCase{"short first", "250-\r\n250\r\n", 250, "\n", ""},
    ParseCase{"enhanced", "550-5.1.1 a\r\n550 5.1.1 b\r\n", 550, "5.1.1 a\n5.1.1 b", "5.1.1"},
    ParseCase{"wrong class", "550 2.1.1 a\r\n", 550, "2.1.1 a", ""},
    ParseCase{"bare LF", "250 OK\n", 250, "OK", ""},
    ParseCase{"odd middle digit", "599 x\r\n", 599, "x", ""},
    ParseCase{"empty", "\r\n", 0, "", ""},
    ParseCase{"two digits", "25\r\n", 0, "", ""},
    ParseCase{"no mark", "250OK\r\n", 0, "", ""},
    ParseCase{"letters", "2x0 OK\r\n", 0, "", ""},
    ParseCase{"one hundred", "100 OK\r\n", 0, "", ""},
    ParseCase{"six hundred", "600 OK\r\n", 0, "", ""},
    ParseCase{"code changes", "250-a\r\n550 b\r\n", 0, "", ""},
};

TEST(ReplyParser, ReadsRepliesCutAnywhere) {
  for (const ParseCase& c : kParse) {
    for (size_t cut = 0; cut <= c.input.size(); ++cut) {
      SCOPED_TRACE(c.name);
      ReplyParser parser;
      parser.feed(c.input.substr(0, cut));
      if (parser.state() == ReplyParser::State::incomplete) parser.feed(c.input.substr(cut));
      if (c.code == 0) {
        EXPECT_EQ(parser.state(), ReplyParser::State::malformed);
        EXPECT_FALSE(parser.problem().empty());
        continue;
      }
      ASSERT_EQ(parser.state(), ReplyParser::State::complete);
      EXPECT_EQ(parser.reply().code, c.code);
      EXPECT_EQ(parser.reply().text, c.text);
      EXPECT_EQ(parser.reply().enhanced, c.enhanced);
    }
  }
}

TEST(ReplyParser, StopsAtTheEndOfEachReply) {
  constexpr std::string_view kTwo = "250 a\r\n354 b\r\n";
  ReplyParser parser;
  EXPECT_EQ(parser.feed(kTwo), 7u);
  EXPECT_EQ(parser.take().text, "a");
  EXPECT_EQ(parser.feed(kTwo.substr(7)), 7u);
  EXPECT_EQ(parser.take().code, 354);
}

TEST(ReplyParser, IsBounded) {
  ReplyParser line;
  line.feed(std::string(kReplyLineBytesMax + 1, '2'));
  EXPECT_EQ(line.state(), ReplyParser::State::malformed);
  ReplyParser lines;
  std::string input;
  while (input.size() <= kReplyBytesMax) input += "250-x\r\n";
  lines.feed(input);
  EXPECT_EQ(lines.state(), ReplyParser::State::malformed);
  EXPECT_LT(lines.problem().size(), 200u);
}

TEST(Extensions, ReadsWhatItPrints) {
  Offer offer;
  for (const ExtensionRow& row : extension_rows()) offer.extensions.set(row.extension);
  offer.size_limit = 1000;
  offer.mail_max = 5;
  offer.rcpt_max = 7;
  offer.auth = "PLAIN LOGIN";
  offer.xclient = "NAME ADDR";
  std::string wire;
  append_ehlo_reply(wire, "mx Hello", offer);
  EXPECT_TRUE(wire.ends_with("250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n"));
  ReplyParser parser;
  parser.feed(wire);
  const Capabilities found = parse_capabilities(parser.take().text);
  for (const ExtensionRow& row : extension_rows()) {
    EXPECT_EQ(found.has(row.extension), row.offered_by_server) << row.keyword;
  }
  EXPECT_EQ(found.size_limit, 1000u);
  EXPECT_EQ(found.mail_max, 5u);
  EXPECT_EQ(found.rcpt_max, 7u);
  EXPECT_EQ(found.auth_mechanisms, (std::vector<std::string>{"PLAIN", "LOGIN"}));
}

TEST(Extensions, SkipsWhatMakesNoSense) {
  const Capabilities found = parse_capabilities(
      "mx\nSIZE many\nAUTH=LOGIN\nLIMITS RCPTMAX=x =5 MAILMAX\n\nX-FOO\npipelining");
  EXPECT_TRUE(found.has(Extension::pipelining));
  EXPECT_TRUE(found.has(Extension::size));
  EXPECT_EQ(found.size_limit, 0u);
  EXPECT_TRUE(found.auth_mechanisms.empty());
}

TEST(Extensions, ThePipelinedNamesOfTheGreetingLineAreNoKeywords) {
  EXPECT_FALSE(parse_capabilities("PIPELINING").has(Extension::pipelining));
}

TEST(Xtext, RoundTripsEveryByteThatItMay) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string plain(1, static_cast<char>(byte));
    std::string coded;
    append_xtext(coded, plain);
    const bool refused = byte == 0 || byte == '\r' || byte == '\n';
    EXPECT_EQ(is_xtext(coded), !refused);
    EXPECT_EQ(decode_xtext(coded).has_value(), !refused);
    if (!refused) EXPECT_EQ(*decode_xtext(coded), plain);
  }
  for (const char* bad : {"+", "+2", "a+2", "+GG", "a=b", "a b", "+0D", "+0a", "+00"}) {
    EXPECT_FALSE(is_xtext(bad)) << bad;
    EXPECT_FALSE(decode_xtext(bad)) << bad;
  }
}

struct VerbCase {
  std::string_view line;
  Verb verb;
  std::string_view argument;
};
constexpr std::array kVerbCases{
    VerbCase{"noop", Verb::noop, ""},
    VerbCase{"NOOP  x y ", Verb::noop, "x y"},
    VerbCase{"MAIL FROM:<>", Verb::mail, "<>"},
    VerbCase{"mail from : <a@b>  SIZE=1", Verb::mail, "<a@b>  SIZE=1"},
    VerbCase{"RCPT\tTO:<a>", Verb::rcpt, "<a>"},
    VerbCase{"MAIL <a@b>", Verb::unknown, "<a@b>"},
    VerbCase{"MAILFROM:<a@b>", Verb::unknown, ""},
    VerbCase{"NOOPX", Verb::unknown, ""},
    VerbCase{"", Verb::unknown, ""},
    VerbCase{" NOOP", Verb::unknown, "NOOP"},
};

TEST(Verbs, AreFoundWithTheirArguments) {
  for (const VerbCase& c : kVerbCases) {
    SCOPED_TRACE(c.line);
    std::string_view argument;
    EXPECT_EQ(find_verb(c.line, argument).verb, c.verb);
    EXPECT_EQ(argument, c.argument);
  }
}

}  // namespace
}  // namespace godwit::smtp
