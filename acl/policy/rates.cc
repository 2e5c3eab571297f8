#include "acl/policy/rates.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

namespace godwit::acl {
namespace {

struct RateHead {
  int64_t updated = 0;
  double rate = 0;
  int64_t events_since = 0;
};

constexpr double kSecondsMin = 1e-9;  // two events are never at the same time

}  // namespace

std::string encode_rate(const RateRecord& record) {
  const RateHead head{record.updated.micros, record.rate, record.events_since.micros};
  std::string out(sizeof head + record.events.size() * sizeof(uint64_t), '\0');
  std::memcpy(out.data(), &head, sizeof head);
  if (!record.events.empty()) {
    std::memcpy(out.data() + sizeof head, record.events.data(),
                record.events.size() * sizeof(uint64_t));
  }
  return out;
}

std::optional<RateRecord> decode_rate(std::string_view bytes) {
  RateHead head;
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes.remove_prefix(sizeof head);
  if (!std::isfinite(head.rate) || head.rate < 0) return std::nullopt;
  RateRecord record;
  record.updated.micros = head.updated;
  record.rate = head.rate;
  record.events_since.micros = head.events_since;
  record.events.resize(std::min(bytes.size() / sizeof(uint64_t), kUniqueEventsMax));
  if (!record.events.empty()) {
    std::memcpy(record.events.data(), bytes.data(), record.events.size() * sizeof(uint64_t));
    std::sort(record.events.begin(), record.events.end());
  }
  return record;
}

RateRecord rate_after(const std::optional<RateRecord>& record, double count, Seconds period,
                      WallTime now) {
  RateRecord next = record.value_or(RateRecord());
  next.updated = now;
  if (!record) {
    next.rate = count;
    next.events_since = now;
    return next;
  }
  const double seconds =
      std::max(static_cast<double>(now.micros - record->updated.micros) / 1e6, kSecondsMin);
  const double periods = seconds / static_cast<double>(std::max<int64_t>(period.count, 1));
  const double weight = std::exp(-periods);
  next.rate = (1 - weight) * count / periods + weight * record->rate;
  next.rate = std::max(next.rate, count);
  return next;
}

bool is_repeated(RateRecord& record, std::string_view event, Seconds period, WallTime now) {
  if (now - record.events_since > Millis(period)) {
    record.events.clear();
    record.events_since = now;
  }
  const uint64_t hash = std::hash<std::string_view>()(event);
  const auto at = std::lower_bound(record.events.begin(), record.events.end(), hash);
  if (at != record.events.end() && *at == hash) return true;
  if (record.events.size() < kUniqueEventsMax) record.events.insert(at, hash);
  return false;
}

}  // namespace godwit::acl
