#include "delivery/transport/ehlo_memory.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

constexpr WallTime at(int64_t seconds) {
  return WallTime{seconds * 1'000'000};
}
const Endpoint kServer{*IpAddress::parse("192.0.2.1"), 25};

TEST(EhloMemory, KnowsWhatWasSaidForATime) {
  hints::MemoryDatabase hints;
  EhloMemory memory(hints, Seconds{100}, kServer, std::nullopt);
  EXPECT_FALSE(memory.find(false, at(1000)));
  memory.learn(false, "mx\nPIPELINING\nSIZE 42\nPIPECONNECT", at(1000));
  const auto known = memory.find(false, at(1100));
  ASSERT_TRUE(known);
  EXPECT_TRUE(known->has(smtp::Extension::pipelining));
  EXPECT_EQ(known->size_limit, 42u);
  EXPECT_FALSE(memory.find(true, at(1000))) << "under TLS it may be different";
  EXPECT_FALSE(memory.find(false, at(1101)));
  EXPECT_FALSE(memory.find(false, at(999))) << "a clock that went back";
}

TEST(EhloMemory, ForgetsWhoNoLongerOffersIt) {
  hints::MemoryDatabase hints;
  EhloMemory memory(hints, Seconds{100}, kServer, std::nullopt);
  memory.learn(false, "mx\nPIPELINING\nPIPECONNECT", at(1));
  memory.learn(true, "mx\nPIPELINING\nPIPECONNECT", at(1));
  memory.learn(false, "mx\nPIPELINING", at(2));
  EXPECT_FALSE(memory.find(false, at(2)));
  EXPECT_TRUE(memory.find(true, at(2)));
  memory.forget();
  EXPECT_EQ(hints.size(), 0u);
}

TEST(EhloMemory, TellsServersAndSourceAddressesApart) {
  hints::MemoryDatabase hints;
  EhloMemory memory(hints, Seconds{100}, kServer, std::nullopt);
  memory.learn(false, "mx\nPIPECONNECT", at(1));
  const EhloMemory other(hints, Seconds{100}, {kServer.address, 26}, std::nullopt);
  EXPECT_FALSE(other.find(false, at(1)));
  const EhloMemory bound(hints, Seconds{100}, kServer, *IpAddress::parse("192.0.2.9"));
  EXPECT_FALSE(bound.find(false, at(1)));
}

TEST(EhloMemory, IgnoresWhatIsNotARecord) {
  for (const std::string_view text : {"", "x", "\n", "1", "-1\nmx\nPIPECONNECT", "1\nmx"}) {
    hints::MemoryDatabase hints;
    hints.put("ehlo/[192.0.2.1]:25", text);
    const EhloMemory memory(hints, Seconds{100}, kServer, std::nullopt);
    EXPECT_FALSE(memory.find(false, at(1))) << text;
  }
  hints::MemoryDatabase hints;
  EhloMemory memory(hints, Seconds{100}, kServer, std::nullopt);
  memory.learn(false, "mx\nPIPECONNECT\n" + std::string(5000, 'x'), at(1));
  EXPECT_EQ(hints.size(), 0u);
}

}  // namespace
}  // namespace godwit::delivery
