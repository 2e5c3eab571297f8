// What a commit costs by size and by how many wait at once, and how long a start takes. The folder
// is GODWIT_BENCH_DIR, else the current one: it must be on the disk that is to be measured.
#include "core/io/scope.h"
#include "core/spool/store.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace {

using namespace godwit;
using namespace godwit::spool;

class CountingSink final : public RecoverySink {
 public:
  void on_message(MessageRef, MessageKey, uint64_t, uint64_t, uint64_t, WallTime) override {
    ++messages;
  }
  void on_update(MessageRef, MessageKey, std::string_view) override {}
  void on_damage(std::string_view) override {}
  uint64_t messages = 0;
};

std::string bench_dir() {
  const char* wanted = std::getenv("GODWIT_BENCH_DIR");
  return std::string(wanted != nullptr ? wanted : ".") + "/spool_bench_shard";
}

template <class T>
Task<void> keep(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await task);
}

template <class T>
T run(Loop& loop, Task<T> task) {
  std::optional<T> out;
  Scope scope;
  scope.spawn(keep(std::move(task), out));
  while (!out) loop.run_once();
  return std::move(*out);
}

class Shard {
 public:
  Shard() { open(); }
  ~Shard() {
    if (store) close();
    std::filesystem::remove_all(bench_dir());
  }
  void open() {
    auto opened = run(loop, Store::open(loop, files, bench_dir(), StoreOptions(), sink));
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.error().to_string().c_str());
      std::abort();
    }
    store = std::move(*opened);
  }
  void close() {
    Scope scope;
    scope.spawn(store->close());
    while (scope.running() > 0) loop.run_once();
    store.reset();
  }

  SystemFiles files;
  Loop loop;
  CountingSink sink;
  std::unique_ptr<Store> store;
  uint64_t next_id = 1;
};

Task<void> commit_one(Shard& shard, const std::string& body, bool ends, uint64_t& failed) {
  const uint64_t id = shard.next_id++;
  const auto writer = shard.store->begin({id, id});
  const auto appended = co_await writer->append(body);
  const auto stored = co_await writer->commit(std::string(150, 'e'), std::string(600, 'h'));
  if (!appended || !stored) {
    ++failed;
  } else if (ends) {
    shard.store->end(stored->ref);
  }
}

void commit_round(Shard& shard, const std::string& body, int64_t count, bool ends,
                  uint64_t& failed) {
  Scope scope;
  for (int64_t i = 0; i < count; ++i) scope.spawn(commit_one(shard, body, ends, failed));
  while (scope.running() > 0) shard.loop.run_once();
}

void commit_and_end(benchmark::State& state) {
  Shard shard;
  const std::string body(static_cast<size_t>(state.range(0)), 'b');
  uint64_t failed = 0;
  for (auto _ : state) commit_round(shard, body, state.range(1), true, failed);
  state.SetItemsProcessed(state.iterations() * state.range(1));
  state.counters["failed"] = static_cast<double>(failed);
  state.counters["recycled"] = static_cast<double>(shard.store->stats().recycled_segments);
}

void recover(benchmark::State& state) {
  Shard shard;
  const std::string body(1024, 'b');
  uint64_t failed = 0;
  for (int64_t i = 0; i < state.range(0); i += 1000) commit_round(shard, body, 1000, false, failed);
  shard.close();
  for (auto _ : state) {
    shard.sink.messages = 0;
    shard.open();
    state.PauseTiming();
    state.counters["messages"] = static_cast<double>(shard.sink.messages);
    state.counters["memory_a_message"] = static_cast<double>(shard.store->stats().memory_bytes) /
                                         static_cast<double>(state.range(0));
    shard.close();
    state.ResumeTiming();
  }
}

}  // namespace

BENCHMARK(commit_and_end)
    ->ArgNames({"bytes", "waiting"})
    ->ArgsProduct({{4096, 65536}, {1, 10, 100}})
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK(recover)
    ->ArgNames({"messages"})
    ->Arg(100'000)
    ->Iterations(3)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
