#include "bench/common/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace godwit::bench {

void Histogram::add(int64_t micros) noexcept {
  const int64_t value = std::max<int64_t>(micros, 0);
  ++buckets_[bucket_of(static_cast<uint64_t>(value))];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::merge(const Histogram& other) noexcept {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double Histogram::mean() const noexcept {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

int64_t Histogram::percentile(double per_cent) const noexcept {
  if (count_ == 0) return 0;
  const double exact = std::ceil(per_cent / 100 * static_cast<double>(count_));
  const auto wanted = std::max<uint64_t>(static_cast<uint64_t>(exact), 1);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(static_cast<int64_t>(upper_bound_of(i)), max_);
  }
  return max_;
}

size_t Histogram::bucket_of(uint64_t value) noexcept {
  if (value < 2 * kSubBuckets) return value;
  const auto shift = static_cast<size_t>(std::bit_width(value)) - kSubBits - 1;
  const size_t bucket = shift * kSubBuckets + (value >> shift);
  return std::min(bucket, kBuckets - 1);
}

uint64_t Histogram::upper_bound_of(size_t bucket) noexcept {
  if (bucket < 2 * kSubBuckets) return bucket;
  const size_t shift = bucket / kSubBuckets - 1;
  const uint64_t top = bucket % kSubBuckets + kSubBuckets;
  return ((top + 1) << shift) - 1;
}

}  // namespace godwit::bench
