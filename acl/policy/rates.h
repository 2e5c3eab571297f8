// Rates of events by key, as `ratelimit` keeps them: the record of a key, and how an event changes
// it. Pure; the store is a hints database, or a RateStore. EXIM.md 2.5.
#pragma once

#include "core/base/result.h"
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

// An event that `ratelimit` asks about.
struct RateEvent {
  std::string key;
  double count = 1;
  Seconds period;
  double limit = 0;
  bool is_leaky = false;  // what comes over the limit does not count
  bool is_read_only = false;
  bool is_kept_as_it_was = false;  // the rate is computed, and not stored
  std::optional<std::string> unique = {};
};

// Rates elsewhere than in the hints of this machine. Waits on the current fiber.
class RateStore {
 public:
  virtual ~RateStore() = default;
  // The rate with the event, stored as the event wants it.
  virtual Result<double> count(const RateEvent& event) = 0;
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
