#include "protocol/smtp/bdat.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::smtp {
namespace {

struct SyntaxCase {
  std::string_view argument;
  BdatSyntax want;
  uint64_t bytes;
  bool last;
};
constexpr std::array kSyntax{
    SyntaxCase{"10", BdatSyntax::good, 10, false},
    SyntaxCase{"10 last", BdatSyntax::good, 10, true},
    SyntaxCase{"  7\tLAST ", BdatSyntax::good, 7, true},
    SyntaxCase{"0 LAST", BdatSyntax::good, 0, true},
    SyntaxCase{"0", BdatSyntax::zero_size, 0, false},
    SyntaxCase{"", BdatSyntax::no_size, 0, false},
    SyntaxCase{"LAST", BdatSyntax::no_size, 0, false},
    SyntaxCase{"-1", BdatSyntax::no_size, 0, false},
    SyntaxCase{"+1", BdatSyntax::no_size, 0, false},
    SyntaxCase{"1x", BdatSyntax::no_size, 0, false},
    SyntaxCase{"1 LAST x", BdatSyntax::no_size, 0, false},
    SyntaxCase{"0x10", BdatSyntax::no_size, 0, false},
    SyntaxCase{"4294967296 LAST", BdatSyntax::good, 4294967296, true},
    SyntaxCase{"1099511627776", BdatSyntax::good, 1099511627776, false},
    SyntaxCase{"1099511627777", BdatSyntax::too_big, 0, false},
    SyntaxCase{"18446744073709551616", BdatSyntax::too_big, 0, false},
};

TEST(Bdat, ParsesSizes) {
  for (const SyntaxCase& c : kSyntax) {
    SCOPED_TRACE(c.argument);
    BdatArgument result;
    EXPECT_EQ(parse_bdat(c.argument, result), c.want);
    if (c.want != BdatSyntax::good) continue;
    EXPECT_EQ(result.bytes, c.bytes);
    EXPECT_EQ(result.last, c.last);
  }
}

TEST(Bdat, TakesExactlyTheOctetsOfItsChunk) {
  BdatState state;
  state.start({5, false});
  EXPECT_TRUE(state.takes_octets());
  EXPECT_EQ(state.take("abc"), "abc");
  EXPECT_EQ(state.phase(), BdatState::Phase::chunk);
  EXPECT_EQ(state.take("defg"), "de");
  EXPECT_EQ(state.phase(), BdatState::Phase::between);
  state.start({1, true});
  EXPECT_EQ(state.take("x"), "x");
  EXPECT_EQ(state.phase(), BdatState::Phase::ended);
  EXPECT_EQ(state.total_bytes(), 6u);
}

TEST(Bdat, RefusesOtherCommandsBetweenChunksAndThenAllButReset) {
  BdatState state;
  ReplyId reply;
  EXPECT_FALSE(state.refuses(Verb::data, reply));
  state.start({1, false});
  state.take("x");
  EXPECT_FALSE(state.refuses(Verb::noop, reply));
  EXPECT_FALSE(state.refuses(Verb::bdat, reply));
  EXPECT_TRUE(state.refuses(Verb::data, reply));
  EXPECT_EQ(reply, ReplyId::only_bdat);
  EXPECT_TRUE(state.refuses(Verb::noop, reply));
  EXPECT_EQ(reply, ReplyId::only_rset);
  EXPECT_FALSE(state.refuses(Verb::rset, reply));
  state.reset();
  EXPECT_FALSE(state.refuses(Verb::data, reply));
}

TEST(Bdat, ReadsTheOctetsOfARefusedChunk) {
  BdatState state;
  state.start({4, true});
  state.fail();
  EXPECT_TRUE(state.takes_octets());
  EXPECT_EQ(state.take("QUIT\r\n"), "QUIT");
  EXPECT_EQ(state.phase(), BdatState::Phase::failed);
}

}  // namespace
}  // namespace godwit::smtp
