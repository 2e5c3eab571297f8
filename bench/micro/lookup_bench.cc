// Lookups as evaluators ask them: lsearch files of three sizes, a warm LMDB file, and Redis where
// GODWIT_BENCH_REDIS names the socket of a running server.
#include "acl/lookup/limits.h"
#include "acl/lookup/lookup_set.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "core/io/timers.h"

#include <benchmark/benchmark.h>
#include <lmdb.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace godwit::acl {
namespace {

constexpr int kKeys = 1024;  // asked in turn

// A file that goes with the benchmark.
class TempFile {
 public:
  TempFile() {
    const int fd = ::mkstemp(path_.data());
    if (fd >= 0) ::close(fd);
  }
  ~TempFile() { ::unlink(path_.c_str()); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/var/tmp/godwit-lookup-bench-XXXXXX";
};

std::string key_of(int64_t i) {
  return "user" + std::to_string(i) + "@example.com";
}

std::vector<std::string> keys_of(int64_t entries) {
  std::vector<std::string> keys;
  for (int64_t i = 0; i < kKeys; ++i) keys.push_back(key_of(i * 7919 % entries));
  return keys;
}

LookupSpec spec_of(std::string_view type) {
  LookupProblem problem;
  return *parse_lookup_type(type, problem);
}

Task<int64_t> ask_in_turn(LookupSet& set, const LookupSpec& spec, const std::string& file,
                          const std::vector<std::string>& keys, benchmark::State& state) {
  const auto body = [&] {
    int64_t found = 0;
    size_t i = 0;
    for (auto _ : state) {
      const auto answer = set.find({spec, file, keys[i++ % keys.size()]});
      found += answer && answer->has_value();
    }
    return found;
  };
  co_return co_await on_fiber(body);
}

Task<void> drive(LookupSet& set, const LookupSpec& spec, const std::string& file,
                 const std::vector<std::string>& keys, benchmark::State& state, bool& complete) {
  const int64_t found = co_await ask_in_turn(set, spec, file, keys, state);
  complete = found == static_cast<int64_t>(state.iterations());
}

// A file that was just written is not kept yet: the loop turns until it is old enough.
void wait_until_settled(Loop& loop) {
  bool is_over = false;
  const auto end = [](void* over) noexcept { *static_cast<bool*>(over) = true; };
  TimerNode timer(end, &is_over);
  loop.timers().set(timer, loop.clock().now() + Millis(2 * kSettledAge.count));
  while (!is_over) loop.run_once();
}

void run(benchmark::State& state, std::string_view type, const std::string& file) {
  Loop loop;
  LookupSet set(loop, {});
  const LookupSpec spec = spec_of(type);
  const std::vector<std::string> keys = keys_of(state.range(0));
  wait_until_settled(loop);
  Scope scope;
  bool complete = false;
  scope.spawn(drive(set, spec, file, keys, state, complete));
  while (scope.running() > 0) loop.run_once();
  if (!complete) state.SkipWithError("not every key was found");
  state.SetItemsProcessed(state.iterations());
}

void lookup_lsearch(benchmark::State& state) {
  const TempFile file;
  std::ofstream out(file.path());
  for (int64_t i = 0; i < state.range(0); ++i) out << key_of(i) << ": mailbox" << i << '\n';
  out.close();
  run(state, "lsearch", file.path());
}
BENCHMARK(lookup_lsearch)->Arg(10)->Arg(1'000)->Arg(100'000);

void lookup_lmdb(benchmark::State& state) {
  const TempFile file;
  MDB_env* env = nullptr;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, size_t{1} << 30);
  mdb_env_open(env, file.path().c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0600);
  MDB_txn* transaction = nullptr;
  MDB_dbi database = 0;
  mdb_txn_begin(env, nullptr, 0, &transaction);
  mdb_dbi_open(transaction, nullptr, 0, &database);
  std::string value(40, 'v');
  for (int64_t i = 0; i < state.range(0); ++i) {
    std::string key = key_of(i);
    MDB_val k{key.size(), key.data()};
    MDB_val v{value.size(), value.data()};
    mdb_put(transaction, database, &k, &v, 0);
  }
  mdb_txn_commit(transaction);
  mdb_env_close(env);
  run(state, "lmdb", file.path());
}
BENCHMARK(lookup_lmdb)->Arg(1'000)->Arg(1'000'000);

struct RedisLoad {
  explicit RedisLoad(LookupSet& the_set) : set(the_set) {}

  LookupSet& set;
  LookupSpec spec = spec_of("redis");
  std::vector<std::string> queries;
  int64_t asked = 0;
  int64_t wanted = 0;
  int64_t found = 0;

  int ask() {
    while (asked < wanted) {
      const auto answer =
          set.find({spec, {}, queries[static_cast<size_t>(asked++) % queries.size()]});
      found += answer && answer->has_value();
    }
    return 0;
  }
};

Task<void> ask_redis(RedisLoad& load) {
  const auto body = [&load] { return load.ask(); };
  co_await on_fiber(body);
}

Task<void> close_set(LookupSet& set) {
  co_await set.close();
}

// One loop, as many questions on their way as the argument says.
void lookup_redis(benchmark::State& state) {
  const char* const socket = std::getenv("GODWIT_BENCH_REDIS");
  if (socket == nullptr) {
    state.SkipWithError("GODWIT_BENCH_REDIS names no socket");
    return;
  }
  constexpr int64_t kBatch = 20'000;
  Loop loop;
  LookupSetOptions options;
  options.redis_servers = "(" + std::string(socket) + ")//";
  LookupSet set(loop, options);
  RedisLoad load(set);
  for (const std::string& key : keys_of(kKeys)) load.queries.push_back("GET " + key);
  for (auto _ : state) {
    load.wanted += kBatch;
    Scope scope;
    for (int64_t i = 0; i < state.range(0); ++i) scope.spawn(ask_redis(load));
    while (scope.running() > 0) loop.run_once();
  }
  if (load.found != load.wanted) state.SkipWithError("not every question was answered");
  state.SetItemsProcessed(state.iterations() * kBatch);
  Scope scope;
  scope.spawn(close_set(set));
  while (scope.running() > 0) loop.run_once();
}
BENCHMARK(lookup_redis)->Arg(1)->Arg(100)->Arg(1'000)->UseRealTime();

}  // namespace
}  // namespace godwit::acl
