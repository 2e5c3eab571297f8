// Rates of events by key, as `ratelimit` keeps them: the record of a key, and how an event changes
// it. Pure; the store is a hints database. EXIM.md 2.5.
#pragma once

#include "core/base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

inline constexpr size_t kUniqueEventsMax = 8000;  // different events of one key and period

struct RateRecord {
  WallTime updated;
  double rate = 0;               // events in a period
  WallTime events_since;         // of `events`
  std::vector<uint64_t> events;  // hashes of unique= values, sorted
};

std::string encode_rate(const RateRecord& record);
// Nothing for bytes that are no record.
std::optional<RateRecord> decode_rate(std::string_view bytes);

// The record after `count` events at `now`, smoothed over `period`. An isolated event after a
// silence counts in full.
RateRecord rate_after(const std::optional<RateRecord>& record, double count, Seconds period,
                      WallTime now);

// True where `event` was there before in this period; remembers it. Forgets all when the period is
// over.
bool is_repeated(RateRecord& record, std::string_view event, Seconds period, WallTime now);

}  // namespace godwit::acl
