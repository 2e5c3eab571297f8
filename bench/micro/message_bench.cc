// What is done with the bytes of each message: the header scan, the dots, the log line.
#include "core/log/log.h"
#include "protocol/message/header_scan.h"
#include "protocol/smtp/dot_stuff.h"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace godwit {
namespace {

std::string message_text(size_t bytes) {
  std::string text =
      "Received: from a.test ([192.0.2.1])\r\n\tby mx.test with ESMTP;\r\n\tSat, 21 Nov 2026 "
      "04:30:00 +0000\r\nFrom: <a@source.test>\r\nTo: <b@sink.test>\r\nSubject: bench\r\n"
      "Message-Id: <1@source.test>\r\nDate: Sat, 21 Nov 2026 04:30:00 +0000\r\n\r\n";
  while (text.size() < bytes) text += std::string(70, 'x') + "\r\n";
  return text;
}

void header_scan(benchmark::State& state) {
  const std::string text = message_text(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    message::HeaderScanner scanner;
    scanner.feed(text);
    scanner.finish();
    benchmark::DoNotOptimize(scanner.verdict());
  }
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * state.iterations());
}
BENCHMARK(header_scan)->Arg(4096)->Arg(65536);

void dot_stuffing(benchmark::State& state, bool is_canonical) {
  const std::string text = message_text(static_cast<size_t>(state.range(0)));
  std::vector<std::string_view> segments;
  for (auto _ : state) {
    segments.clear();
    smtp::DotStuffer stuffer(is_canonical);
    stuffer.take(text, segments);
    stuffer.finish(segments);
    benchmark::DoNotOptimize(segments.size());
  }
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * state.iterations());
}
BENCHMARK_CAPTURE(dot_stuffing, canonical, true)->Arg(4096)->Arg(65536);
BENCHMARK_CAPTURE(dot_stuffing, checked, false)->Arg(4096)->Arg(65536);

void log_line(benchmark::State& state) {
  LogFormatter formatter(LogStyle{}, 1);
  LogRecord record;
  record.event = LogEvent::arrival;
  record.message_id = "1xUeLl-0AGScN5nvaN-0fPe";
  record.text = "<= a@source.test H=(source.test) [127.0.0.1] P=esmtp S=4492 id=1@source.test";
  std::string out;
  int64_t micros = 1'795'000'000'000'000;
  for (auto _ : state) {
    out.clear();
    formatter.append_line(out, record, WallTime{micros += 100});
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(log_line);

}  // namespace
}  // namespace godwit
