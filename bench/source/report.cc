#include "bench/source/report.h"

#include "bench/common/json.h"
#include "bench/common/process.h"

#include <cstdio>

namespace godwit::bench {
namespace {

constexpr std::array<std::string_view, kPhases> kPhaseNames{
    "connect", "greeting", "ehlo", "starttls", "handshake", "mail",
    "rcpt",    "data",     "dot",  "quit",     "message"};

}  // namespace

void Report::start(Instant now, WallTime wall) noexcept {
  started_ = stopped_ = now;
  started_wall_ = stopped_wall_ = wall;
  cpu_at_start_ = cpu_micros();
}

void Report::restart(Instant now, WallTime wall) noexcept {
  for (Histogram& phase : phases_) phase.clear();
  accepted_ = deferred_ = refused_ = unknown_ = bytes_ = 0;
  start(now, wall);
}

void Report::stop() noexcept {
  cpu_used_ = cpu_micros() - cpu_at_start_;
}

void Report::count_outcome(std::string_view outcome, uint64_t bytes, Instant now,
                           WallTime wall) noexcept {
  stopped_ = now;
  stopped_wall_ = wall;
  switch (outcome.front()) {
    case '2':
      ++accepted_;
      bytes_ += bytes;
      return;
    case '4':
      ++deferred_;
      return;
    case '5':
      ++refused_;
      return;
    default:
      ++unknown_;
  }
}

void Report::count_trouble(std::string_view text) {
  const auto found = troubles_.find(text);
  if (found != troubles_.end()) {
    ++found->second;
  } else if (troubles_.size() < kTroublesMax) {
    troubles_.emplace(text, 1);
  }
}

double Report::seconds() const noexcept {
  return static_cast<double>(stopped_.micros - started_.micros) / 1e6;
}

std::string Report::to_text() const {
  char line[160];
  const double time = seconds();
  const double rate = time > 0 ? static_cast<double>(accepted_) / time : 0;
  std::snprintf(
      line, sizeof line,
      "%llu accepted, %llu deferred, %llu refused, %llu unknown in %.3f s: %.1f/s, "
      "%.1f us CPU a message here\n",
      static_cast<unsigned long long>(accepted_), static_cast<unsigned long long>(deferred_),
      static_cast<unsigned long long>(refused_), static_cast<unsigned long long>(unknown_), time,
      rate,
      finished() > 0 ? static_cast<double>(cpu_used_) / static_cast<double>(finished()) : 0.0);
  std::string text = line;
  text += "us              p50       p90       p99     p99.9       max     count\n";
  for (size_t i = 0; i < kPhases; ++i) {
    const Histogram& phase = phases_[i];
    if (phase.count() == 0) continue;
    std::snprintf(
        line, sizeof line, "%-9s %9lld %9lld %9lld %9lld %9lld %9llu\n",
        std::string(kPhaseNames[i]).c_str(), static_cast<long long>(phase.percentile(50)),
        static_cast<long long>(phase.percentile(90)), static_cast<long long>(phase.percentile(99)),
        static_cast<long long>(phase.percentile(99.9)), static_cast<long long>(phase.max()),
        static_cast<unsigned long long>(phase.count()));
    text += line;
  }
  for (const auto& [trouble, count] : troubles_)
    text += std::to_string(count) + " x " + trouble + "\n";
  return text;
}

std::string Report::to_json(const SourceOptions& options, std::string_view target,
                            uint32_t run) const {
  JsonWriter json;
  json.begin_object();
  json.string("program", "smtp-source");
  json.string("target", target);
  json.integer("run", run);
  json.integer("seed", static_cast<int64_t>(options.seed));
  json.integer("sessions", static_cast<int64_t>(options.sessions));
  json.integer("reuse", options.reuse ? 1 : 0);
  json.integer("pipeline", static_cast<int64_t>(options.pipeline));
  json.number("scheduled_rate", options.rate);
  json.integer("started_micros", started_wall_.micros);
  json.integer("ended_micros", stopped_wall_.micros);
  json.number("seconds", seconds());
  json.integer("accepted", static_cast<int64_t>(accepted_));
  json.integer("deferred", static_cast<int64_t>(deferred_));
  json.integer("refused", static_cast<int64_t>(refused_));
  json.integer("unknown", static_cast<int64_t>(unknown_));
  json.integer("resumed", static_cast<int64_t>(resumed_));
  json.integer("bytes", static_cast<int64_t>(bytes_));
  json.number("rate", seconds() > 0 ? static_cast<double>(accepted_) / seconds() : 0);
  json.integer("cpu_micros", cpu_used_);
  json.begin_object("phases_micros");
  for (size_t i = 0; i < kPhases; ++i) json.histogram(kPhaseNames[i], phases_[i]);
  json.end_object();
  json.begin_array("troubles");
  for (const auto& [trouble, count] : troubles_) {
    json.begin_object();
    json.integer("count", static_cast<int64_t>(count));
    json.string("text", trouble);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json.text() + "\n";
}

}  // namespace godwit::bench
