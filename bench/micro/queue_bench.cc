// What a look at the whole queue costs while nothing is due, by the number of messages that wait.
#include "core/config/files.h"
#include "core/hints/database.h"
#include "delivery/queue/queue.h"
#include "dns/resolver.h"
#include "tls/context_cache.h"
#include "tls/session_cache.h"

#include <benchmark/benchmark.h>

namespace {

using namespace godwit;

class NoLog final : public Log {
 public:
  void write(const LogRecord&) override {}
  bool wants_fields() const noexcept override { return false; }
};

class NoResolver final : public dns::Resolver {
 public:
  Task<Result<dns::Answer>> query(std::string, dns::RrType, dns::QueryOptions,
                                  CancelSource*) override {
    co_return Error(Errc::dns_failed, "nobody asks");
  }
};

void run_over_waiting_messages(benchmark::State& state) {
  ManualClock clock(WallTime::from_seconds(1'767'225'600));
  Loop loop(VirtualTime{clock});
  NoLog log;
  NoResolver resolver;
  delivery::HostFinder hosts(resolver, {});
  retry::HintStore hints(std::make_unique<hints::MemoryDatabase>());
  Random random(1);
  message::MessageIdGenerator ids(1, 0, clock.wall());
  acl::ServerFacts server;
  tls::ContextCache contexts(loop, log, nullptr);
  tls::SessionCache sessions;
  config::MemoryFiles files;
  files.put("/c", "");
  config::Diagnostics diagnostics;
  const config::ConfigDocument document = config::read_document("/c", files, {}, diagnostics);
  const auto config =
      delivery::compile_delivery(document, acl::compile_policy(document, diagnostics), diagnostics);
  const delivery::DeliveryServices services{loop,   nullptr, log,    hosts,    hints,
                                            random, ids,     server, contexts, sessions};
  delivery::Queue queue(config, services);
  const auto count = static_cast<uint32_t>(state.range(0));
  for (uint32_t i = 0; i < count; ++i) {
    const spool::MessageKey key{i, i};
    queue.on_message({i, i}, key, 200, 400, 4000, clock.wall());
    const WallTime due = clock.wall() + Seconds{3600 + static_cast<int64_t>(random.below(86'400))};
    queue.on_update({i, i}, key,
                    delivery::encode_number(delivery::ChangeKind::schedule, due.micros));
  }
  queue.start();
  for (auto _ : state) queue.run_queue({});
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * count);
  state.counters["bytes/message"] = static_cast<double>(queue.memory_bytes()) / count;
  queue.stop();
}
BENCHMARK(run_over_waiting_messages)->Arg(1000)->Arg(200'000)->Unit(benchmark::kMillisecond);

}  // namespace
