#include "daemon/packing.h"

#include <algorithm>
#include <ctime>

namespace godwit::daemon {
namespace {

constexpr Millis kLookInterval{50};
constexpr double kShareTotal = 65536;

// Of a processor. Between full and roomy nothing changes. Measured on two cores with generator and
// sink beside: from 92 % on, and roomy only below 80 %, a tenth less mail went through.
constexpr double kFull = 0.95;
constexpr double kOverfull = 0.98;
constexpr double kRoomy = 0.88;
constexpr double kIdle = 0.40;
constexpr double kStep = 1.0 / 16;
constexpr double kLeap = 1.25;

// Sessions may all become busy at once, and cannot be moved then: more of them than this are not
// packed, whatever they do now. So many more widen the circle by one worker.
constexpr size_t kPackedSessions = 64;
constexpr double kSessionsPerWorker = 16;

int64_t thread_cpu_micros() noexcept {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return int64_t{spent.tv_sec} * 1'000'000 + spent.tv_nsec / 1000;
}

double next_width(double width, double load) {
  if (load > kOverfull) return width * kLeap;
  if (load > kFull) return width + kStep;
  if (load < kIdle) return width / kLeap;
  if (load < kRoomy) return width - kStep;
  return width;
}

}  // namespace

double Packing::narrowest(size_t sessions) const noexcept {
  if (sessions <= kPackedSessions) return 1;
  return std::min(static_cast<double>(workers_),
                  1 + static_cast<double>(sessions - kPackedSessions) / kSessionsPerWorker);
}

bool Packing::is_due(Instant now, size_t sessions) const noexcept {
  return now >= looked_at_ + kLookInterval || narrowest(sessions) > width_;
}

bool Packing::look(Instant now, int64_t cpu_micros, size_t sessions) noexcept {
  const double before = width_;
  if (now >= looked_at_ + kLookInterval) {
    const auto micros = static_cast<double>(now.micros - looked_at_.micros);
    width_ = next_width(width_, static_cast<double>(cpu_micros - cpu_seen_micros_) / micros);
    looked_at_ = now;
    cpu_seen_micros_ = cpu_micros;
  }
  width_ = std::clamp(width_, narrowest(sessions), static_cast<double>(workers_));
  return width_ != before;
}

std::vector<uint16_t> Packing::shares(uint64_t aside) const {
  const auto is_aside = [aside](size_t worker) { return (aside >> worker & 1) != 0; };
  size_t left = 0;
  for (size_t i = 0; i < workers_; ++i) left += is_aside(i) ? 0 : 1;
  const double width = std::min(width_, static_cast<double>(left));
  std::vector<uint16_t> shares(workers_);
  double before = 0;
  for (size_t i = 0; i < workers_; ++i) {
    if (is_aside(i)) continue;
    const double weight = std::clamp(width - before, 0.0, 1.0);
    // The whole does not fit into a share; the first worker gets what is left anyway.
    shares[i] = static_cast<uint16_t>(std::min(weight / width * kShareTotal, kShareTotal - 1));
    ++before;
  }
  return shares;
}

PackedInbound::PackedInbound(Inbound& inbound, size_t workers, std::vector<int> descriptors)
    : inbound_(inbound), packing_(workers), descriptors_(std::move(descriptors)) {
  share();
}

void PackedInbound::on_connection(std::unique_ptr<UvStream> stream) {
  inbound_.on_connection(std::move(stream));
  if (inbound_.services().counts.aside_changes() != aside_changes_) share();
  const Instant now = inbound_.services().loop.clock().now();
  const size_t sessions = inbound_.sessions();
  if (packing_.is_due(now, sessions) && packing_.look(now, thread_cpu_micros(), sessions)) share();
}

void PackedInbound::share() {
  aside_changes_ = inbound_.services().counts.aside_changes();
  const std::vector<uint16_t> shares = packing_.shares(inbound_.services().counts.aside());
  for (int descriptor : descriptors_) {
    const Result<void> shared = share_connections(descriptor, shares);
    if (shared) continue;
    // Where a sandbox forbids it, the system spreads connections evenly.
    inbound_.services().log.main(LogEvent::daemon, "",
                                 "connections are not packed: " + shared.error().to_string());
    descriptors_.clear();
    return;
  }
}

}  // namespace godwit::daemon
