#include "core/base/byte_walk.h"

#include "core/base/random.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace godwit {
namespace {

template <class Walk>
std::vector<size_t> found(std::string_view text) {
  std::vector<size_t> places;
  Walk walk(text);
  for (size_t at = walk.next(0); at < text.size(); at = walk.next(at + 1)) places.push_back(at);
  return places;
}

std::vector<size_t> expected(std::string_view text, std::string_view sought) {
  std::vector<size_t> places;
  for (size_t at = 0; at < text.size(); ++at) {
    if (sought.find(text[at]) != std::string_view::npos) places.push_back(at);
  }
  return places;
}

TEST(ByteWalkTest, FindsWhatALoopFindsInTextsOfAnyLength) {
  Random random(1);
  for (size_t bytes = 0; bytes < 200; ++bytes) {
    for (const std::string_view alphabet : {"\r\n", "\r\nabcdefghijklmnop", "\n\xff\x8a\x0b"}) {
      std::string text;
      while (text.size() < bytes) text += alphabet[random.below(alphabet.size())];
      EXPECT_EQ(found<LineEndWalk>(text), expected(text, "\r\n")) << bytes;
      EXPECT_EQ(found<LineFeedWalk>(text), expected(text, "\n")) << bytes;
    }
  }
}

TEST(ByteWalkTest, GoesOnWhereItIsTold) {
  const std::string text = std::string(70, 'a') + "\n" + std::string(70, 'b') + "\n";
  LineFeedWalk walk(text);
  EXPECT_EQ(walk.next(0), 70u);
  EXPECT_EQ(walk.next(70), 70u);
  EXPECT_EQ(walk.next(71), 141u);
  EXPECT_EQ(walk.next(142), 142u);
  EXPECT_EQ(walk.next(143), 142u);  // behind the end, as after a CR that ends a text
  LineFeedWalk leaping(text);
  EXPECT_EQ(leaping.next(100), 141u);
}

}  // namespace
}  // namespace godwit
