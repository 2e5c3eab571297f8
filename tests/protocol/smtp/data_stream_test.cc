#include "protocol/smtp/data_stream.h"

#include "generated/source_dir.h"
#include "protocol/smtp/dot_stuff.h"
#include "tests/support/json_cases.h"
#include "tests/support/transcript_runner.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace godwit::smtp {
namespace {

struct Taken {
  std::string text;
  size_t consumed = 0;
  bool ended = false;
  bool bare = false;
  bool operator==(const Taken&) const = default;
};

// Feeds the pieces that `cuts` makes of `bytes`.
Taken feed(std::string_view bytes, BareLineEnds policy, const std::vector<size_t>& cuts) {
  DataStream stream(policy);
  Taken taken;
  size_t from = 0;
  for (size_t n = 0; n <= cuts.size() && !taken.ended; ++n) {
    const size_t to = n < cuts.size() ? cuts[n] : bytes.size();
    std::string_view piece = bytes.substr(from, to - from);
    from = to;
    while (!piece.empty() && !taken.ended) {
      const DataStream::Step step = stream.take(piece);
      taken.text += step.text;
      taken.consumed += step.consumed;
      taken.ended = step.ended;
      piece.remove_prefix(step.consumed);
    }
  }
  taken.bare = stream.bare_seen();
  return taken;
}

std::vector<size_t> every_byte(size_t size) {
  std::vector<size_t> cuts;
  for (size_t at = 1; at < size; ++at) cuts.push_back(at);
  return cuts;
}

// The same answer whole, byte by byte, and split at every offset.
Taken feed_all_ways(std::string_view bytes, BareLineEnds policy) {
  const Taken whole = feed(bytes, policy, {});
  EXPECT_EQ(feed(bytes, policy, every_byte(bytes.size())), whole);
  for (size_t at = 1; at < bytes.size(); ++at) EXPECT_EQ(feed(bytes, policy, {at}), whole) << at;
  return whole;
}

TEST(DataStream, EndsOnlyAtCrlfDotCrlfForEverySmugglingCase) {
  const std::string path = test::shared_data(GODWIT_SOURCE_DIR, "smtp/smuggling-data.json");
  if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/smtp/smuggling-data.json is absent";
  const test::Json file = test::parse_json(test::read_text(path));
  ASSERT_EQ(file["cases"].items.size(), 20u);
  for (const test::Json& item : file["cases"].items) {
    SCOPED_TRACE(item["id"].string);
    const std::string bytes = test::from_hex(item["data_hex"].string);
    for (const BareLineEnds policy :
         {BareLineEnds::reject, BareLineEnds::replace, BareLineEnds::keep}) {
      const Taken taken = feed_all_ways(bytes, policy);
      EXPECT_TRUE(taken.ended);
      EXPECT_EQ(taken.consumed, static_cast<size_t>(item["ends_data_at"].number));
      const bool bare_expected = item["expect_strict"].string.starts_with("refuse");
      if (bare_expected) EXPECT_TRUE(taken.bare);
      if (item["id"].string == "dot-x") EXPECT_TRUE(taken.text.ends_with("\r\nx\r\n"));
    }
  }
}

struct Case {
  std::string_view name, input, rejected_or_kept, replaced;
  bool bare;
};
constexpr std::array kCases{
    Case{"plain", "a\r\n.\r\n", "a\r\n", "a\r\n", false},
    Case{"dot at once", ".\r\n", "", "", false},
    Case{"stuffed", "..\r\n...\r\n.a\r\n.\r\n", ".\r\n..\r\na\r\n", ".\r\n..\r\na\r\n", false},
    Case{"bare LF", "a\nb\r\n.\r\n", "a\nb\r\n", "a b\r\n", true},
    Case{"LF first", "\n.\r\n\r\n.\r\n", "\n.\r\n\r\n", " .\r\n\r\n", true},
    Case{"bare CR", "a\rb\r\n.\r\n", "a\rb\r\n", "a b\r\n", true},
    Case{"CRs before CRLF", "a\r\r\r\n.\r\n", "a\r\r\r\n", "a  \r\n", true},
    Case{"dot CR dot", ".\r.\r\n.\r\n", "\r.\r\n", " .\r\n", true},
    Case{"dot LF", ".\n\r\n.\r\n", "\n\r\n", " \r\n", true},
};

TEST(DataStream, KeepsOrReplacesBareLineEnds) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    for (const BareLineEnds policy : {BareLineEnds::reject, BareLineEnds::keep}) {
      const Taken taken = feed_all_ways(c.input, policy);
      EXPECT_EQ(taken.text, c.rejected_or_kept);
      EXPECT_EQ(taken.bare, c.bare);
      EXPECT_TRUE(taken.ended);
    }
    EXPECT_EQ(feed_all_ways(c.input, BareLineEnds::replace).text, c.replaced);
  }
}

TEST(DataStream, YieldsAMessageWithoutDotsInOnePiece) {
  std::string body;
  for (int n = 0; n < 1000; ++n) body += "0123456789\r\n";
  DataStream stream(BareLineEnds::reject);
  const DataStream::Step step = stream.take(body);
  EXPECT_EQ(step.text.data(), body.data());
  EXPECT_EQ(step.text.size(), body.size());
}

std::string stuff(std::string_view body, const std::vector<size_t>& cuts, bool canonical) {
  DotStuffer stuffer(canonical);
  std::vector<std::string_view> segments;
  size_t from = 0;
  for (const size_t cut : cuts) {
    stuffer.take(body.substr(from, cut - from), segments);
    from = cut;
  }
  stuffer.take(body.substr(from), segments);
  stuffer.finish(segments);
  std::string out;
  for (const std::string_view segment : segments) out += segment;
  return out;
}

// What DotStuffer does, said in the plainest way.
std::string canonical_form(std::string_view body) {
  std::string out;
  for (size_t at = 0; at < body.size(); ++at) {
    if (body[at] == '\r' && at + 1 < body.size() && body[at + 1] == '\n') ++at;
    if (body[at] == '\r' || body[at] == '\n') {
      out += "\r\n";
    } else {
      out.push_back(body[at]);
    }
  }
  if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
  return out;
}

TEST(DotStuffer, EveryShortBodyComesBackThroughDataStream) {
  constexpr std::string_view kLetters = ".\r\na";
  for (size_t length = 0; length <= 6; ++length) {
    size_t count = 1;
    for (size_t n = 0; n < length; ++n) count *= kLetters.size();
    for (size_t index = 0; index < count; ++index) {
      std::string body;
      for (size_t n = 0, rest = index; n < length; ++n, rest /= kLetters.size()) {
        body.push_back(kLetters[rest % kLetters.size()]);
      }
      const std::string wire = stuff(body, {}, false);
      ASSERT_EQ(stuff(body, every_byte(body.size()), false), wire);
      const Taken taken = feed(wire, BareLineEnds::reject, {});
      ASSERT_TRUE(taken.ended);
      ASSERT_FALSE(taken.bare);
      ASSERT_EQ(taken.consumed, wire.size());
      ASSERT_EQ(taken.text, canonical_form(body));
      if (is_canonical(body)) {
        ASSERT_EQ(stuff(body, {}, true), wire);
        ASSERT_EQ(stuff(body, every_byte(body.size()), true), wire);
      }
    }
  }
}

TEST(DotStuffer, DoesNotCopyTheBody) {
  const std::string body = "a\r\nb\r\n.c\r\n";
  std::vector<std::string_view> segments;
  DotStuffer(true).take(body, segments);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0].data(), body.data());
  EXPECT_EQ(segments[2].data(), body.data() + 6);
}

}  // namespace
}  // namespace godwit::smtp

namespace godwit::smtp {
namespace {

TEST(BareLineEndFinder, FindsWhatIsNoPairHoweverItIsCut) {
  struct Cut {
    std::string_view bytes;
    bool bare;
  };
  constexpr Cut kCuts[] = {
      {"", false},      {"a\r\nb\r\n", false}, {"a\nb", true},     {"a\rb", true},
      {"\n", true},     {"\r", true},          {"\r\n", false},    {"\r\r\n", true},
      {"\r\n\n", true}, {"a\r\n\r\n", false},  {"a\r\nb\r", true}, {"no line end", false},
      {"x\n\r", true},
  };
  for (const Cut& c : kCuts) {
    for (size_t cut = 0; cut <= c.bytes.size(); ++cut) {
      BareLineEndFinder finder;
      finder.feed(c.bytes.substr(0, cut));
      finder.feed(c.bytes.substr(cut));
      EXPECT_EQ(finder.found(), c.bare) << testing::PrintToString(c.bytes) << " cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace godwit::smtp
