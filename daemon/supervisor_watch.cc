// Supervisor: workers that hang, and where new connections go meanwhile.
#include "core/base/ascii.h"
#include "core/io/clock.h"
#include "core/io/listener.h"
#include "daemon/blocking_log.h"
#include "daemon/supervisor.h"

#include <signal.h>

#include <algorithm>
#include <climits>
#include <fstream>
#include <string>

namespace godwit::daemon {
namespace {

constexpr uint32_t kShareTotal = 65536;
constexpr int kStopPollMillis = 250;

// A debugger holds the worker, or another tracer: it knows what it does.
bool is_traced(pid_t pid) {
  constexpr std::string_view kTracer = "TracerPid:";
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kTracer))
      return trim(std::string_view(line).substr(kTracer.size())) != "0";
  }
  return false;
}

std::string seconds_text(Millis silent) {
  return std::to_string(silent.count / 1000) + " seconds";
}

}  // namespace

WatchLimits Supervisor::watch_limits() const {
  return WatchLimits(config_->options().worker_patience);
}

// Until somebody must be looked at.
int Supervisor::poll_millis() const {
  if (stopping_ || !missing_.empty()) return kStopPollMillis;
  if (!watch_limits().is_on()) return -1;
  const Millis left = next_look_ - SystemClock().now();
  return static_cast<int>(std::clamp<int64_t>(left.count + 1, 0, INT_MAX));
}

void Supervisor::look_after_workers() {
  const Millis interval = watch_limits().interval;
  const Instant now = SystemClock().now();
  if (stopping_ || interval.count == 0 || now < next_look_) return;
  next_look_ = now + interval;
  for (auto& [pid, worker] : workers_) {
    if (!worker.ready || !worker.limits.is_on()) continue;
    const Watchdog::Step step =
        worker.watch.look(now, counts_->beats(worker.section), worker.limits);
    if (step == Watchdog::Step::none) continue;
    if (step != Watchdog::Step::goes_on && is_traced(pid)) {
      worker.watch.forgive();
    } else {
      act_on(step, pid, worker);
    }
  }
}

void Supervisor::act_on(Watchdog::Step step, pid_t pid, const WorkerProcess& worker) {
  const std::string who =
      "worker " + std::to_string(worker.index) + " (pid " + std::to_string(pid) + ") ";
  const std::string silent = seconds_text(worker.watch.silent());
  const bool is_current = worker.generation == generation_;
  BlockingLog panic(*config_);
  switch (step) {
    case Watchdog::Step::hangs:
      panic.panic(
          LogEvent::daemon, "",
          who + "hangs: its loop has not turned for " + silent +
              (is_current && worker_count() > 1 ? "; new connections go to the others" : ""));
      if (is_current) set_aside(worker.index);
      break;
    case Watchdog::Step::goes_on:
      panic.panic(LogEvent::daemon, "", who + "goes on after " + silent);
      if (is_current) take_back(worker.index);
      break;
    case Watchdog::Step::abort:
      panic.panic(LogEvent::daemon, "", who + "has hung for " + silent + ": it is ended (SIGABRT)");
      ::kill(pid, SIGABRT);
      break;
    case Watchdog::Step::kill:
      panic.panic(LogEvent::daemon, "", who + "did not end: it is killed (SIGKILL)");
      ::kill(pid, SIGKILL);
      break;
    case Watchdog::Step::none:
      break;
  }
}

// No new connections for the worker until take_back(). The first worker, which shares connections
// out, sees who is set aside; until it looks, and where it is set aside itself, the others get the
// same.
void Supervisor::set_aside(size_t index) {
  counts_->set_aside(index, true);
  const size_t workers = worker_count();
  size_t left = 0;
  for (size_t i = 0; i < workers; ++i) left += counts_->is_aside(i) ? 0 : 1;
  if (left == 0) return spread_connections();
  std::vector<uint16_t> shares(workers);
  for (size_t i = 0; i < workers; ++i) {
    if (!counts_->is_aside(i)) shares[i] = static_cast<uint16_t>((kShareTotal - 1) / left);
  }
  for (const auto& [at, descriptors] : sockets_) {
    if (descriptors.empty()) continue;
    const Result<void> shared = share_connections(descriptors.front(), shares);
    // Where a sandbox forbids it, the system spreads connections evenly, as it did before.
    if (!shared) return;
  }
}

void Supervisor::take_back(size_t index) {
  if (!counts_->is_aside(index)) return;
  counts_->set_aside(index, false);
  spread_connections();
}

}  // namespace godwit::daemon
