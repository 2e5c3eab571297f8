// Histogram: log-linear counts of latencies in microseconds, for percentiles. Values below 128 are
// exact; above, a bucket is at most 1/64 of its value wide. Fixed memory, no allocation in add().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace godwit::bench {

class Histogram {
 public:
  // A negative value counts as 0.
  void add(int64_t micros) noexcept;
  void merge(const Histogram& other) noexcept;
  void clear() noexcept { *this = Histogram(); }

  uint64_t count() const noexcept { return count_; }
  int64_t max() const noexcept { return max_; }
  double mean() const noexcept;
  // The smallest bucket bound that `per_cent` of the values do not exceed, but never more than
  // max(); 0 where nothing was counted.
  int64_t percentile(double per_cent) const noexcept;

 private:
  static constexpr size_t kSubBits = 6;  // 64 buckets for each power of two
  static constexpr size_t kSubBuckets = size_t{1} << kSubBits;
  static constexpr size_t kPowers = 34;  // up to 2^40 us, twelve days
  static constexpr size_t kBuckets = (kPowers + 1) * kSubBuckets;

  static size_t bucket_of(uint64_t value) noexcept;
  static uint64_t upper_bound_of(size_t bucket) noexcept;

  std::array<uint32_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace godwit::bench
