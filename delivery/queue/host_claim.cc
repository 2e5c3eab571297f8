#include "delivery/queue/host_claim.h"

#include "core/base/ascii.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr Seconds kClaimExpires{6 * 3600};

bool is_running(uint64_t pid) {
  return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM;
}

// "pid seconds"
bool is_held(std::string_view value, WallTime now) {
  const std::optional<uint64_t> pid = parse_decimal(value.substr(0, value.find(' ')));
  const std::optional<WallTime> since = HostClaim::taken_at(value);
  if (!pid || !since || *pid == 0 || *pid > INT32_MAX) return false;
  return now >= *since && now - *since < Millis(kClaimExpires) && is_running(*pid);
}

class Claiming final : public hints::Database::Change {
 public:
  explicit Claiming(WallTime now) : now_(now) {}
  std::optional<std::string> operator()(std::optional<std::string_view> value) override {
    is_ours = !value || !is_held(*value, now_);
    if (!is_ours) return std::nullopt;
    return std::to_string(::getpid()) + " " + std::to_string(now_.micros / 1'000'000);
  }
  bool is_ours = false;

 private:
  WallTime now_;
};

}  // namespace

std::optional<WallTime> HostClaim::taken_at(std::string_view value) {
  const size_t blank = value.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> seconds = parse_decimal(value.substr(blank + 1));
  if (!seconds || *seconds > INT32_MAX * uint64_t{4}) return std::nullopt;
  return WallTime{static_cast<int64_t>(*seconds) * 1'000'000};
}

std::unique_ptr<HostClaim> HostClaim::take(hints::Database& database, const std::string& host_name,
                                           WallTime now) {
  std::string key = std::string(kClaimPrefix) + to_lower(host_name);
  Claiming claiming(now);
  const Result<void> done = database.update(key, claiming);
  if (!done || !claiming.is_ours) return nullptr;
  return std::unique_ptr<HostClaim>(new HostClaim(database, std::move(key)));
}

HostClaim::~HostClaim() {
  database_.remove(key_);
}

}  // namespace godwit::delivery
