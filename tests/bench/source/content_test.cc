#include "bench/source/content.h"

#include "bench/sink/data_scanner.h"
#include "bench/sink/message_check.h"
#include "bench/source/proxy_header.h"
#include "bench/source/reply_reader.h"

#include <gtest/gtest.h>

namespace godwit::bench {
namespace {

SourceOptions plain_options() {
  SourceOptions options;
  options.sender = "a@x";
  options.recipient = "b@y";
  options.hello = "h";
  return options;
}

// What the sink finds in `wire`, which is cut into pieces of `step` bytes.
std::string verdict_of(std::string_view wire, const Token& token, bool is_chunk, size_t step) {
  MessageCheck check;
  check.start();
  DataScanner scanner;
  scanner.start();
  for (size_t at = 0; at < wire.size(); at += step) {
    std::string_view piece = wire.substr(at, step);
    if (is_chunk) {
      check.feed(piece);
      continue;
    }
    while (!piece.empty() && !scanner.is_done()) check.feed(scanner.next(piece));
  }
  if (!is_chunk && !scanner.is_done()) return "no end";
  if (!check.token() || *check.token() != token) return "another token";
  return std::string(check.verdict());
}

TEST(Content, HasExactlyTheBodyThatItPromises) {
  for (uint64_t bytes = 2; bytes < 400; ++bytes) {
    for (const bool bdat : {false, true}) {
      SourceOptions options = plain_options();
      options.bdat = bdat;
      Content content = Content::generated(options, bytes, 5);
      ASSERT_EQ(content.body_bytes(), bytes);
      Token token{5, 3, 77};
      const std::string wire(content.prepare(token));
      EXPECT_EQ(token.length, bytes);
      EXPECT_EQ(verdict_of(wire, token, bdat, wire.size()), "ok") << bytes;
    }
  }
}

TEST(Content, IsFoundInPiecesOfAnySize) {
  SourceOptions options = plain_options();
  Content content =
      Content::from_text(options, "Subject: dots\n\n.\n..\n.x\nend.\n.\r\n\n.last without end");
  Token token{1, 1, 1};
  const std::string wire(content.prepare(token));
  for (size_t step = 1; step <= wire.size(); ++step)
    EXPECT_EQ(verdict_of(wire, token, false, step), "ok") << step;
}

TEST(Content, DiffersFromMessageToMessage) {
  Content content = Content::generated(plain_options(), 100, 5);
  Token first{5, 0, 1}, second{5, 0, 2};
  const std::string one(content.prepare(first));
  const std::string two(content.prepare(second));
  EXPECT_EQ(one.size(), two.size());
  EXPECT_NE(first.crc, second.crc);
  // The body of one message with the header of another is found out.
  const size_t body_at = one.find("\r\n\r\n") + 4;
  EXPECT_EQ(verdict_of(one.substr(0, body_at) + two.substr(body_at), first, false, one.size()),
            "corrupt");
  EXPECT_EQ(verdict_of(one.substr(0, one.size() - 30) + "\r\n.\r\n", first, false, one.size()),
            "short");
}

TEST(Content, TakesFilesWithoutABodyOrWithoutHeaders) {
  for (const std::string_view text : {"Subject: x\n", "Subject: x", "\nbody\n", ""}) {
    Content content = Content::from_text(plain_options(), text);
    Token token{1, 1, 1};
    const std::string wire(content.prepare(token));
    EXPECT_EQ(verdict_of(wire, token, false, wire.size()), "ok") << text;
  }
}

TEST(ReplyReader, CutsRepliesFromPiecesOfAnySize) {
  const std::string wire = "220 hi\r\n250-a\r\n250-b\r\n250 c\r\n354\r\nnonsense\r\n550 no\n";
  for (size_t step = 1; step <= wire.size(); ++step) {
    ReplyReader reader;
    std::vector<int> codes;
    for (size_t at = 0; at < wire.size(); at += step) {
      reader.feed(std::string_view(wire).substr(at, step));
      while (const auto reply = reader.next()) codes.push_back(reply->code);
    }
    EXPECT_EQ(codes, (std::vector<int>{220, 250, 354, 0, 550})) << step;
  }
}

TEST(ProxyHeader, NamesTheClient) {
  Target target;
  target.endpoints.push_back({IpAddress::v4(0x7f000001), 2525});
  const std::string header = proxy_header({IpAddress::v4(0xc0000201), 0x1234}, target);
  EXPECT_EQ(header,
            std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x01"
                        "\x12\x34\x09\xdd",
                        28));
}

}  // namespace
}  // namespace godwit::bench
