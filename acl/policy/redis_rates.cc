#include "acl/policy/redis_rates.h"

#include "acl/expand/digest.h"
#include "acl/lookup/lookup_set.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace godwit::acl {
namespace {

// A rate that nobody asked for in so many periods, and a day at least, says nothing any more.
constexpr int64_t kKeptPeriods = 30;
constexpr int64_t kKeptSecondsMin = 86'400;

// As rate_after(), is_repeated() and CountEvent do it (rates.cc, condition_ratelimit.cc).
constexpr std::string_view kScript = R"lua(
local count, period, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local mode, unique = ARGV[4], ARGV[5]
local events_max, kept = tonumber(ARGV[6]), tonumber(ARGV[7])
local stored = redis.call('HMGET', KEYS[1], 'updated', 'rate', 'since')
local updated, old = tonumber(stored[1]), tonumber(stored[2])
if not updated then old = nil end
local function text(number) return string.format('%.17g', number) end
if string.find(mode, 'r', 1, true) then return text(old or 0) end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local rate, since, begins = count, now, true
if old then
  local periods = math.max((now - updated) / 1000000, 1e-9) / period
  local weight = math.exp(-periods)
  rate = math.max((1 - weight) * count / periods + weight * old, count)
  since = tonumber(stored[3]) or now
  begins = now - since > period * 1000000
  if begins then since = now end
end
local has_unique = string.find(mode, 'u', 1, true)
if has_unique and not begins and redis.call('SISMEMBER', KEYS[2], unique) == 1 then
  return text(old)
end
if string.find(mode, 'n', 1, true) then return text(rate) end
if rate >= limit and string.find(mode, 'l', 1, true) then return text(rate) end
if not has_unique and old then since = tonumber(stored[3]) or now end
redis.call('HMSET', KEYS[1], 'updated', string.format('%.0f', now), 'rate', text(rate),
           'since', string.format('%.0f', since))
redis.call('EXPIRE', KEYS[1], kept)
if has_unique then
  if begins then redis.call('DEL', KEYS[2]) end
  if redis.call('SCARD', KEYS[2]) < events_max then redis.call('SADD', KEYS[2], unique) end
  redis.call('EXPIRE', KEYS[2], kept)
end
return text(rate)
)lua";

std::string hex_sha1(std::string_view text) {
  std::string out;
  append_hex(digest("SHA1", text).view(), false, out);
  return out;
}

std::string decimal(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.17g", value);
  return text.data();
}

}  // namespace

RedisRates::RedisRates(LookupSet& lookups)
    : lookups_(lookups), script_{std::string(kScript), hex_sha1(kScript), 2} {}

Result<double> RedisRates::count(const RateEvent& event) {
  // In braces, so that a cluster keeps both keys at one place; a digest has none of its own.
  const std::string key = "godwit:rate:{" + hex_sha1(event.key) + "}";
  std::string mode = event.is_leaky ? "l" : "s";
  if (event.is_read_only) mode += 'r';
  if (event.is_kept_as_it_was) mode += 'n';
  if (event.unique) mode += 'u';
  const int64_t kept = std::max(event.period.count * kKeptPeriods, kKeptSecondsMin);
  const Result<std::string> answer = lookups_.run_redis_script(
      script_, {key, key + ":events", decimal(event.count), std::to_string(event.period.count),
                decimal(event.limit), mode, event.unique ? hex_sha1(*event.unique) : std::string(),
                std::to_string(kUniqueEventsMax), std::to_string(kept)});
  if (!answer) return answer.error();
  char* end = nullptr;
  const double rate = std::strtod(answer->c_str(), &end);
  if (end == answer->c_str() || *end != '\0' || !std::isfinite(rate) || rate < 0)
    return Error(Errc::lookup_deferred, "REDIS: \"" + *answer + "\" is no rate");
  return rate;
}

}  // namespace godwit::acl
