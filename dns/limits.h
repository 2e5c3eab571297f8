// Bounds of the resolver.
#pragma once

#include "core/base/time.h"

#include <cstddef>
#include <cstdint>

namespace godwit::dns {

inline constexpr size_t kUpstreamsMax = 8;
inline constexpr size_t kInFlightMax = 512;    // questions at the upstreams at one time
inline constexpr size_t kQueuedMax = 100'000;  // questions that wait for a place
inline constexpr size_t kCacheEntriesMax = 200'000;
inline constexpr size_t kCacheBytesMax = 64u << 20;
inline constexpr size_t kQueriesPerSocketMax = 64;    // then a new socket, with a new random port
inline constexpr size_t kSocketsPerUpstreamMax = 64;  // open at one time
inline constexpr size_t kTcpExchangesMax = 32;        // connections at one time, all upstreams
inline constexpr int kRoundsMax = 20;                 // of the retry ladder, whatever is configured

inline constexpr Seconds kKeepPositiveMax{24 * 3600};  // of a TTL that we believe
inline constexpr Seconds kKeepNegativeMax{3600};       // RFC 2308 5 suggests 1 to 3 hours
inline constexpr Millis kKeepFailure{1000};            // RFC 9520 3.2: at least one second
inline constexpr Millis kQuestionMax{30'000};          // from being asked to giving up
inline constexpr Millis kTcpExchangeMax{5'000};
inline constexpr Millis kPauseBetweenRounds{200};  // where every upstream failed at once
inline constexpr Millis kPauseWithoutDescriptors{250};

// An upstream that does not answer is asked last for a while, which doubles up to a bound.
inline constexpr int kSilencesUntilSetAside = 2;
inline constexpr Millis kSetAsideFirst{5'000};
inline constexpr Millis kSetAsideMax{60'000};
inline constexpr Millis kSetAsideRefused{1'000};
inline constexpr Seconds kWithoutEdns{3600};  // for an upstream that does not understand it

}  // namespace godwit::dns
