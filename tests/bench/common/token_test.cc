#include "bench/common/token.h"

#include "bench/common/crc32c.h"

#include <gtest/gtest.h>

namespace godwit::bench {
namespace {

TEST(Token, ReadsWhatItWrote) {
  const Token token{0xdeadbeef, 99'999, 9'999'999'999, 536'870'912, 0x0badf00d};
  const std::string text = to_string(token);
  EXPECT_EQ(text, "deadbeef-99999-9999999999-536870912-0badf00d");
  EXPECT_EQ(parse_token(text), token);
}

TEST(Token, RejectsWhatIsNoToken) {
  const std::string good = to_string(Token{1, 2, 3, 4, 5});
  ASSERT_TRUE(parse_token(good));
  EXPECT_FALSE(parse_token(""));
  EXPECT_FALSE(parse_token(good + "0"));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = 'x';
    EXPECT_FALSE(parse_token(bad)) << bad;
  }
}

TEST(Crc32c, HasTheKnownValuesInBothForms) {
  EXPECT_EQ(crc32c_portable(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(0, ""), 0u);
}

TEST(Crc32c, IsTheSameInPieces) {
  const std::string text(1000, 'q');
  for (size_t cut = 0; cut < 40; ++cut) {
    const uint32_t first = crc32c(0, std::string_view(text).substr(0, cut));
    EXPECT_EQ(crc32c(first, std::string_view(text).substr(cut)), crc32c_portable(0, text));
  }
}

}  // namespace
}  // namespace godwit::bench
