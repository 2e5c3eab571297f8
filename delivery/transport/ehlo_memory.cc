#include "delivery/transport/ehlo_memory.h"

#include "core/base/ascii.h"

namespace godwit::delivery {
namespace {

// What a longer answer says is asked for each time.
constexpr size_t kReplyBytesMax = 4096;
constexpr int64_t kMicrosPerSecond = 1'000'000;

}  // namespace

EhloMemory::EhloMemory(hints::Database& hints, Seconds life, const Endpoint& to,
                       const std::optional<IpAddress>& from)
    : hints_(&hints), life_(life), place_(to.to_string()) {
  if (from) place_ += " " + from->to_string();
}

std::string EhloMemory::key(bool in_tls) const {
  return (in_tls ? "ehlo-tls/" : "ehlo/") + place_;
}

// "seconds\nreply".
std::optional<smtp::Capabilities> EhloMemory::find(bool in_tls, WallTime now) const {
  const std::optional<std::string> record = hints_->get(key(in_tls));
  if (!record) return std::nullopt;
  const size_t end = record->find('\n');
  if (end == std::string::npos) return std::nullopt;
  const std::optional<uint64_t> learnt = parse_decimal(std::string_view(*record).substr(0, end));
  const int64_t seconds = now.micros / kMicrosPerSecond;
  if (!learnt || *learnt > static_cast<uint64_t>(seconds) ||
      seconds - static_cast<int64_t>(*learnt) > life_.count)
    return std::nullopt;
  smtp::Capabilities out = smtp::parse_capabilities(std::string_view(*record).substr(end + 1));
  if (!out.has(smtp::Extension::pipe_connect)) return std::nullopt;
  return out;
}

void EhloMemory::learn(bool in_tls, std::string_view reply, WallTime now) {
  const bool is_of_use = reply.size() <= kReplyBytesMax &&
                         smtp::parse_capabilities(reply).has(smtp::Extension::pipe_connect);
  if (is_of_use) {
    const std::string seconds = std::to_string(now.micros / kMicrosPerSecond);
    hints_->put(key(in_tls), seconds + "\n" + std::string(reply));
  } else if (hints_->get(key(in_tls))) {
    hints_->remove(key(in_tls));
  }
}

void EhloMemory::forget() {
  hints_->remove(key(false));
  hints_->remove(key(true));
}

}  // namespace godwit::delivery
