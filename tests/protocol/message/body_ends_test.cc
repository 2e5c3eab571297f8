#include "protocol/message/body_ends.h"

#include <gtest/gtest.h>

namespace godwit::message {
namespace {

constexpr std::string_view kBody("first\r\n.dot\r\n\tthird \0 zero\r\n\r\nlast line\r\n", 41);

TEST(BodyEnds, ShowBothEndsHoweverTheBodyCame) {
  for (size_t step : {1u, 2u, 7u, 100u}) {
    BodyEnds ends(12);
    for (size_t at = 0; at < kBody.size(); at += step) ends.feed(kBody.substr(at, step));
    EXPECT_EQ(ends.start(false), "first .dot \t") << step;
    EXPECT_EQ(ends.end(false), "  last line ") << step;
    EXPECT_EQ(ends.start(true), "first\n.dot\n\t") << step;
    EXPECT_EQ(ends.end(true), "\n\nlast line\n") << step;
  }
}

TEST(BodyEnds, AShortBodyIsShownWhole) {
  BodyEnds ends(500);
  ends.feed(kBody);
  EXPECT_EQ(ends.start(false), "first .dot \tthird   zero  last line ");
  EXPECT_EQ(ends.end(false), ends.start(false));
  EXPECT_EQ(BodyEnds(-1).start(false), "");
}

}  // namespace
}  // namespace godwit::message
