#include "dns/cache.h"

#include <gtest/gtest.h>

namespace godwit::dns {
namespace {

constexpr Instant kNow{1'000'000};
constexpr Instant kLater{2'000'000};

Finding text_of(size_t bytes) {
  Finding out;
  out.answer.status = AnswerStatus::found;
  Record record;
  record.data = Txt{{std::string(bytes, 'x')}};
  out.answer.records.push_back(std::move(record));
  return out;
}

TEST(DnsCache, KeepsNoMoreEntriesThanItMayAndLosesTheLeastRecentlyUsed) {
  Cache cache(3, 1 << 20);
  for (const char* key : {"a", "b", "c"}) cache.put(key, text_of(10), kLater);
  EXPECT_NE(cache.find("a", kNow), nullptr);
  cache.put("d", text_of(10), kLater);
  EXPECT_EQ(cache.entries(), 3u);
  EXPECT_EQ(cache.find("b", kNow), nullptr);
  for (const char* key : {"a", "c", "d"}) EXPECT_NE(cache.find(key, kNow), nullptr) << key;
}

TEST(DnsCache, KeepsNoMoreBytesThanItMay) {
  constexpr size_t kBytesMax = 8'000;
  Cache cache(1'000, kBytesMax);
  for (int i = 0; i < 100; ++i) {
    cache.put("name" + std::to_string(i), text_of(1'000), kLater);
    EXPECT_LE(cache.bytes(), kBytesMax);
  }
  EXPECT_GE(cache.entries(), 3u);
  EXPECT_LT(cache.entries(), 8u);
  EXPECT_NE(cache.find("name99", kNow), nullptr);
  // What would fill it alone is not kept, and nothing else is lost for it.
  const size_t before = cache.entries();
  cache.put("huge", text_of(kBytesMax), kLater);
  EXPECT_EQ(cache.find("huge", kNow), nullptr);
  EXPECT_EQ(cache.entries(), before);
  cache.clear();
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(cache.entries(), 0u);
}

TEST(DnsCache, ForgetsWhatIsOverAndReplacesWhatIsNew) {
  Cache cache(10, 1 << 20);
  cache.put("a", text_of(10), kLater);
  const size_t bytes = cache.bytes();
  cache.put("a", text_of(110), kLater);
  EXPECT_EQ(cache.entries(), 1u);
  EXPECT_EQ(cache.bytes(), bytes + 100);
  EXPECT_NE(cache.find("a", Instant{kLater.micros - 1}), nullptr);
  EXPECT_EQ(cache.find("a", kLater), nullptr);
  EXPECT_EQ(cache.entries(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace godwit::dns
