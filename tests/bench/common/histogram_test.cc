#include "bench/common/histogram.h"

#include <gtest/gtest.h>

namespace godwit::bench {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.percentile(99), 0);
  EXPECT_EQ(histogram.max(), 0);
}

TEST(Histogram, IsExactForSmallValues) {
  Histogram histogram;
  for (int64_t value = 1; value <= 100; ++value) histogram.add(value);
  EXPECT_EQ(histogram.percentile(50), 50);
  EXPECT_EQ(histogram.percentile(90), 90);
  EXPECT_EQ(histogram.percentile(99), 99);
  EXPECT_EQ(histogram.percentile(100), 100);
  EXPECT_DOUBLE_EQ(histogram.mean(), 50.5);
}

TEST(Histogram, IsWithinASixtyFourthForLargeValues) {
  for (int64_t value = 127; value < int64_t{1} << 38; value = value * 3 / 2 + 1) {
    Histogram histogram;
    histogram.add(value);
    histogram.add(int64_t{1} << 39);
    const int64_t shown = histogram.percentile(50);
    EXPECT_GE(shown, value);
    EXPECT_LE(shown, value + value / 64 + 1);
  }
}

TEST(Histogram, NeverShowsMoreThanTheMaximum) {
  Histogram histogram;
  histogram.add(1'000'001);
  EXPECT_EQ(histogram.percentile(99.9), 1'000'001);
}

TEST(Histogram, CountsNegativeAsZeroAndHugeInTheLastBucket) {
  Histogram histogram;
  histogram.add(-5);
  histogram.add(INT64_MAX);
  EXPECT_EQ(histogram.percentile(50), 0);
  EXPECT_EQ(histogram.count(), 2u);
}

TEST(Histogram, MergesAsIfAllWereAddedToOne) {
  Histogram left, right, both;
  for (int64_t value = 0; value < 5000; value += 7) {
    (value % 2 == 0 ? left : right).add(value);
    both.add(value);
  }
  left.merge(right);
  EXPECT_EQ(left.count(), both.count());
  EXPECT_EQ(left.max(), both.max());
  for (const double per_cent : {1.0, 50.0, 90.0, 99.9})
    EXPECT_EQ(left.percentile(per_cent), both.percentile(per_cent));
}

}  // namespace
}  // namespace godwit::bench
