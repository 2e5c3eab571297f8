#include "bench/source/run.h"

#include "bench/source/session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace godwit::bench {
namespace {

constexpr int64_t kProgressMicros = 1'000'000;
// Where sessions are only held open, so many are opened in a millisecond.
constexpr uint32_t kOpenedInAMilli = 4;

}  // namespace

Run::Run(Loop& loop, const SourceOptions& options, Target target, ContentSet contents, uint32_t id)
    : loop_(loop),
      options_(options),
      target_(std::move(target)),
      contents_(std::move(contents)),
      id_(id),
      random_(options.seed),
      streams_(options.sessions, nullptr) {}

int Run::execute() {
  if (!options_.ledger.empty()) {
    const Result<void> opened = ledger_.open(options_.ledger);
    if (!opened) {
      std::fprintf(stderr, "smtp-source: %s\n", opened.error().to_string().c_str());
      return 1;
    }
  }
  if (options_.tls) {
    Result<std::shared_ptr<const tls::ClientContext>> context =
        tls::ClientContext::load(tls::ClientSettings());
    if (!context) {
      std::fprintf(stderr, "smtp-source: %s\n", context.error().to_string().c_str());
      return 1;
    }
    tls_context_ = std::move(*context);
  }
  Scope conductor;
  conductor.spawn(conduct());
  if (conductor.running() > 0) loop_.run();
  return timed_out_ ? 2 : failed_ ? 1 : 0;
}

Task<void> Run::conduct() {
  started_ = progress_at_ = now();
  report_.start(started_, wall());
  warm_ = options_.warm_up_micros == 0;
  Scope ticking;
  ticking.spawn(tick());
  for (uint32_t i = 0; i < options_.sessions; ++i) sessions_.spawn(run_session(i));
  co_await sessions_.join();
  over_ = true;
  report_.stop();
  tick_cancel_.cancel();
  co_await ticking.join();
  ledger_.flush();
  show_progress(now(), true);
  loop_.stop();
}

Task<void> Run::run_session(uint32_t index) {
  SourceSession session(*this, index);
  if (options_.hold_micros == 0) {
    co_await session.run();
    co_return;
  }
  const Millis turn{index / kOpenedInAMilli};
  const bool go_on = co_await Sleep(loop_.timers(), turn, &cancel_);
  if (go_on) co_await session.hold();
}

Task<void> Run::tick() {
  while (co_await Sleep(loop_.timers(), LedgerWriter::kFlushEvery, &tick_cancel_)) {
    if (ledger_.is_open()) ledger_.flush();
    watch(now());
  }
}

void Run::watch(Instant now) {
  const int64_t elapsed = now.micros - started_.micros;
  if (!warm_ && elapsed >= options_.warm_up_micros) {
    warm_ = true;
    progress_count_ = 0;
    report_.restart(now, wall());
  }
  if (options_.duration_micros > 0 && elapsed >= options_.duration_micros) over_ = true;
  if (elapsed >= options_.time_limit_micros && !timed_out_) {
    timed_out_ = true;
    std::fputs("smtp-source: the time limit is over\n", stderr);
    interrupt();
  }
  if (now.micros - progress_at_.micros >= kProgressMicros) show_progress(now, false);
}

void Run::show_progress(Instant now, bool is_last) {
  const bool wanted = options_.progress || (!options_.quiet && ::isatty(STDERR_FILENO) != 0);
  if (!wanted) return;
  const uint64_t count = report_.finished();
  const double seconds = static_cast<double>(now.micros - progress_at_.micros) / 1e6;
  const double rate =
      seconds > 0 ? static_cast<double>(count - std::min(count, progress_count_)) / seconds : 0;
  std::fprintf(stderr, "\r%7.1fs %10llu done %8.0f/s %6llu not accepted  p99 %8.2f ms  %s",
               static_cast<double>(now.micros - started_.micros) / 1e6,
               static_cast<unsigned long long>(count), rate,
               static_cast<unsigned long long>(report_.not_accepted()),
               static_cast<double>(report_.phase(Phase::message).percentile(99)) / 1000,
               is_last ? "\n" : "");
  progress_at_ = now;
  progress_count_ = count;
}

void Run::interrupt() noexcept {
  over_ = true;
  cancel_.cancel();
  for (UvStream*& stream : streams_) {
    if (stream != nullptr) std::exchange(stream, nullptr)->close();
  }
}

std::optional<Assignment> Run::take() {
  if (over_ || taken_ >= options_.messages) return std::nullopt;
  Assignment next{taken_, now()};
  if (options_.rate > 0) {
    next.scheduled = {started_.micros +
                      static_cast<int64_t>(static_cast<double>(taken_) * 1e6 / options_.rate)};
    const int64_t after = next.scheduled.micros - started_.micros;
    if (options_.duration_micros > 0 && after >= options_.duration_micros) return std::nullopt;
  }
  ++taken_;
  return next;
}

void Run::trouble(const std::string& text) {
  if (over_ && cancel_.is_cancelled()) return;
  report_.count_trouble(text);
  failed_ = true;
  if (options_.keep_going) return;
  if (!over_) std::fprintf(stderr, "smtp-source: fatal: %s\n", text.c_str());
  over_ = true;
}

void Run::session_is_open() {
  if (++open_sessions_ != options_.sessions) return;
  std::printf("holding %llu sessions\n", static_cast<unsigned long long>(open_sessions_));
  std::fflush(stdout);
}

}  // namespace godwit::bench
