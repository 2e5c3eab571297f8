// Named bounds of the queue.
#pragma once

#include "core/base/time.h"

#include <cstddef>
#include <cstdint>

namespace godwit::delivery {

// Messages whose envelope is in memory and whose recipients are being delivered, of one worker.
inline constexpr size_t kActiveMessagesMax = 2000;
// Due messages that are taken up between two looks at the clock.
inline constexpr size_t kDuePerLook = 64;
// Entries of the queue that a queue run looks at between two looks at the clock.
inline constexpr size_t kEntriesPerLook = 256;
// Messages of a queue run that are sorted on the loop; more of them on the thread pool.
inline constexpr size_t kSortedOnLoopMax = 2000;
// Text of fresh messages that is kept in memory until their first attempt.
inline constexpr size_t kFreshBytesMax = 64 * 1024 * 1024;
// A message that cannot be read from the spool is looked at again after this.
inline constexpr Seconds kUnreadableRetry{60};
// Where no retry rule says when: routing problems and the like.
inline constexpr Seconds kRoutingRetry{900};
// Places of a transport with max_parallel.
inline constexpr int64_t kTransportPlacesMax = 10'000;
// When a host of serialize_hosts that serves another connection is asked again.
inline constexpr Seconds kBusyHostDelay{10};
// How long due messages wait while the load is over deliver_queue_load_max.
inline constexpr Seconds kOverloadPause{30};
// Addresses of one attempt, those that were generated with those of the envelope.
inline constexpr size_t kGeneratedAddressesMax = 1'000'000;
// How often an address may be redirected one after the other.
inline constexpr size_t kRedirectDepthMax = 100;
// The next attempt of a message that is held for a queue run.
inline constexpr WallTime kNotBeforeQueueRun{INT64_MAX};

}  // namespace godwit::delivery
