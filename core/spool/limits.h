// Named bounds of the store. Sizes are bytes unless the name says otherwise.
#pragma once

#include "core/base/time.h"

#include <cstddef>
#include <cstdint>

namespace godwit::spool {

inline constexpr uint64_t kSegmentBytes = 64 * 1024 * 1024;
inline constexpr uint64_t kFirstSegmentBytes = 4 * 1024 * 1024;  // so that a start is quick
inline constexpr uint64_t kSegmentBytesMax = 1024 * 1024 * 1024;
inline constexpr uint64_t kSegmentBytesMin = 16 * 1024;

inline constexpr size_t kLargeBodyBytes = 1024 * 1024;  // a longer body gets a file of its own
inline constexpr size_t kSpillBytes = 256 * 1024;       // written to that file at a time
inline constexpr size_t kEnvelopeBytesMax = 8 * 1024 * 1024;
inline constexpr size_t kHeaderSectionBytesMax = 8 * 1024 * 1024;
inline constexpr size_t kUpdateBytesMax = 1024 * 1024;

inline constexpr size_t kBatchBytesMax = 8 * 1024 * 1024;  // one job of the thread pool
inline constexpr size_t kBatchRecordsMax = 4096;
inline constexpr size_t kDirectBytesMax = 2 * 1024 * 1024;  // of a batch written past the cache
inline constexpr size_t kZeroBytesPerJob = 512 * 1024;      // of a segment in preparation

inline constexpr Millis kLazyWrite{5};   // an update alone is written after this
inline constexpr Millis kLazySync{200};  // and on disk after this
inline constexpr Millis kRetryAfterError{1000};

// A segment whose updates mostly still count is looked at again when the log grew by so much.
inline constexpr uint32_t kWeighAgainSegments = 4;

inline constexpr size_t kSpareSegments = 4;  // kept for reuse; further ones are removed
// A closed segment whose live bytes are fewer is emptied once that many younger ones exist.
inline constexpr unsigned kCompactLivePercent = 25;
inline constexpr uint32_t kCompactAgeSegments = 4;
inline constexpr size_t kMovedMessagesPerRound = 32;
inline constexpr size_t kMovedBytesPerRound = 1024 * 1024;

inline constexpr size_t kIndexedUpdateBytesMax = 512;  // a longer update is read from its record
inline constexpr int kReaderAttempts = 8;              // against a shard that is being recycled

}  // namespace godwit::spool
