#include "protocol/message/from_lines.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace godwit::message {
namespace {

struct StartsWithFrom final : LineMatcher {
  bool matches(std::string_view line) const override { return line.starts_with("From "); }
};

struct Left {
  std::string text;
  std::string last;
};

// What stays of `message` where it comes in pieces of `piece` bytes.
Left left_of(std::string_view message, size_t piece) {
  const StartsWithFrom matcher;
  FromLines lines(&matcher);
  Left out;
  for (size_t at = 0; at < message.size(); at += piece)
    out.text += lines.feed(message.substr(at, piece));
  out.text += lines.finish();
  out.last = lines.last();
  return out;
}

struct Case {
  std::string_view name, message, left, last;
};
constexpr std::array kCases{
    Case{"one", "From a x\r\nS: x\r\n\r\nbody\r\n", "S: x\r\n\r\nbody\r\n", "From a x"},
    Case{"none", "S: x\r\n\r\nFrom a\r\n", "S: x\r\n\r\nFrom a\r\n", ""},
    Case{"two", "From a\nFrom b\nS: x\n", "S: x\n", "From b"},
    Case{"folded", "From a\r\n x\r\n\ty\r\nS: x\r\n", "S: x\r\n", "From a\r\n x\r\n\ty"},
    Case{"before the body", "From a\r\n\r\n b\r\n", "\r\n b\r\n", "From a"},
    Case{"in the body", "\r\nFrom a\r\n", "\r\nFrom a\r\n", ""},
    Case{"alone", "From a\r\n", "", "From a"},
    Case{"without an end", "From a", "", "From a"},
    Case{"another line", "from a\r\nS: x\r\n", "from a\r\nS: x\r\n", ""},
    Case{"nothing", "", "", ""},
};

TEST(FromLines, AreTakenOffHoweverTheMessageIsCut) {
  for (const Case& c : kCases) {
    for (const size_t piece : {1u, 2u, 7u, 1000u}) {
      SCOPED_TRACE(std::string(c.name) + ", pieces of " + std::to_string(piece));
      const Left left = left_of(c.message, piece);
      EXPECT_EQ(left.text, c.left);
      EXPECT_EQ(left.last, c.last);
    }
  }
}

TEST(FromLines, LongerThanTheLimitAreNone) {
  const std::string longest = "From " + std::string(kFromLineBytesMax - 7, 'a') + "\r\n";
  for (const size_t piece : {1u, 100'000u}) {
    EXPECT_EQ(left_of(longest + "S: x\r\n", piece).text, "S: x\r\n");
    EXPECT_EQ(left_of("From x" + longest.substr(5) + "S: x\r\n", piece).text.size(),
              longest.size() + 7);
  }
}

TEST(FromLines, AreNotLookedForWithoutAPattern) {
  FromLines lines(nullptr);
  EXPECT_EQ(lines.feed("From a\r\n"), "From a\r\n");
  EXPECT_EQ(lines.finish(), "");
}

}  // namespace
}  // namespace godwit::message
