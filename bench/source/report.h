// Report: what a run of the source measured.
#pragma once

#include "bench/common/histogram.h"
#include "bench/source/options.h"
#include "core/base/time.h"

#include <array>
#include <map>
#include <string>

namespace godwit::bench {

// The steps of a session, in their order. `message` is a whole message: from its scheduled time,
// or from its start where there is no schedule, to the reply to its end.
enum class Phase : uint8_t {
  connect,
  greeting,
  hello,
  starttls,
  handshake,
  mail,
  rcpt,
  data,
  dot,
  quit,
  message
};
inline constexpr size_t kPhases = 11;

class Report {
 public:
  void start(Instant now, WallTime wall) noexcept;
  // Forgets what was measured so far: the end of the warm-up.
  void restart(Instant now, WallTime wall) noexcept;
  void stop() noexcept;

  void add(Phase phase, Instant from, Instant to) noexcept {
    phases_[static_cast<size_t>(phase)].add(to.micros - from.micros);
  }
  // A message's outcome: "250", "4xx", "5xx" or "unknown".
  void count_outcome(std::string_view outcome, uint64_t bytes, Instant now, WallTime wall) noexcept;
  // Something unexpected, for people: the first lines of each kind are kept.
  void count_trouble(std::string_view text);

  void count_resumed() noexcept { ++resumed_; }

  uint64_t finished() const noexcept { return accepted_ + deferred_ + refused_ + unknown_; }
  uint64_t accepted() const noexcept { return accepted_; }
  uint64_t not_accepted() const noexcept { return deferred_ + refused_ + unknown_; }
  const Histogram& phase(Phase phase) const noexcept { return phases_[static_cast<size_t>(phase)]; }
  // From the start to the last outcome.
  double seconds() const noexcept;

  std::string to_text() const;
  std::string to_json(const SourceOptions& options, std::string_view target, uint32_t run) const;

 private:
  static constexpr size_t kTroublesMax = 20;

  std::array<Histogram, kPhases> phases_;
  uint64_t accepted_ = 0;
  uint64_t deferred_ = 0;
  uint64_t refused_ = 0;
  uint64_t unknown_ = 0;
  uint64_t resumed_ = 0;  // TLS sessions
  uint64_t bytes_ = 0;    // of accepted messages, as sent
  std::map<std::string, uint64_t, std::less<>> troubles_;
  Instant started_;
  Instant stopped_;
  WallTime started_wall_;
  WallTime stopped_wall_;
  int64_t cpu_at_start_ = 0;
  int64_t cpu_used_ = 0;
};

}  // namespace godwit::bench
