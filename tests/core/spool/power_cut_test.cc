// A scripted load over a disk that forgets what was not synced, with the power cut at every
// operation that changes something; then the recovery must keep every promise.
#include "core/base/random.h"
#include "tests/core/spool/spool_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace godwit::spool::test {
namespace {

struct Expected {
  size_t body_bytes = 0;
  bool is_stored = false;  // commit() said so
  bool is_failed = false;  // commit() said no, and the power was on
  bool is_gone = false;    // and a later batch reached the disk
  std::vector<std::string> updates;
  size_t durable_updates = 0;  // flush() said so
  bool is_ended = false;
  bool is_end_durable = false;
  MessageRef ref;
};

// One machine with its disk, through several lives.
class Machine {
 public:
  Machine(uint64_t seed, DirectWrites direct) : files(seed), random_(seed) {
    allow_direct(files, direct);
    EXPECT_TRUE(files.make_directory("/shards"));
    EXPECT_TRUE(files.sync_directory("/"));
  }

  // Runs until the script ends or the power goes.
  void live(unsigned steps) {
    Loop loop;
    Scope scope;
    scope.spawn(run(loop, steps));
    while (scope.running() > 0) loop.run_once();
  }

  // Starts the machine again and compares what the store tells with what it promised.
  void check(const char* when) {
    SCOPED_TRACE(when);
    files.start_again();
    Loop loop;
    Scope scope;
    scope.spawn(check_all(loop));
    while (scope.running() > 0) loop.run_once();
  }

  PowerCutFiles files;
  StoreStats seen;  // of all lives together
  bool finished = false;
  bool has_faults = false;  // calls fail while the power is on

 private:
  Task<void> run(Loop& loop, unsigned steps) {
    KeepingSink sink;
    auto opened = co_await Store::open(loop, files, "/shards/a", small_options(), sink);
    if (!opened) co_return;
    store_ = std::move(*opened);
    for (auto& [key, told] : sink.messages) expected_[key].ref = told.ref;
    for (unsigned step = 0; step < steps && !files.is_off(); ++step) co_await one_step(loop, step);
    if (!files.is_off()) {
      const auto flushed = co_await flush();
      finished = flushed.has_value();
    }
    note(store_->stats());
    co_await store_->close();
    store_.reset();
  }

  void note(const StoreStats& stats) {
    seen.commits += stats.commits;
    seen.direct_batches += stats.direct_batches;
    seen.moved_messages += stats.moved_messages;
    seen.recycled_segments += stats.recycled_segments;
    seen.removed_segments += stats.removed_segments;
  }

  Task<void> one_step(Loop& loop, unsigned step) {
    const uint64_t kind = random_.below(20);
    if (kind < 9) {
      co_await commit_some(1 + random_.below(4));
    } else if (kind < 13) {
      update_one();
    } else if (kind < 17) {
      end_some(1 + random_.below(8));
    } else if (kind < 19) {
      const auto flushed = co_await flush();
    } else if (step % 3 == 0) {
      co_await adopt_one(loop);
    }
  }

  Task<void> commit_some(uint64_t count) {
    Scope scope;
    for (uint64_t i = 0; i < count; ++i) scope.spawn(commit_one());
    co_await scope.join();
  }

  Task<void> commit_one() {
    const MessageKey key{next_id_++, 77};
    Expected& message = expected_[key];
    message.body_bytes = random_.below(12) == 0 ? 5000 + random_.below(9000) : random_.below(2500);
    const auto stored = co_await put(*store_, key, message.body_bytes);
    if (stored) {
      message.is_stored = true;
      message.ref = stored->ref;
    } else {
      message.is_failed = !files.is_off();
    }
  }

  static Task<Result<StoredMessage>> put(Store& store, MessageKey key, size_t body_bytes) {
    co_return co_await store_message(store, key, text_of(key.high, 50), text_of(key.high + 1, 120),
                                     text_of(key.high + 2, body_bytes));
  }

  std::vector<MessageKey> live_keys() const {
    std::vector<MessageKey> keys;
    for (const auto& [key, message] : expected_) {
      if (message.ref.is_set() && message.is_stored && !message.is_ended) keys.push_back(key);
    }
    return keys;
  }

  void update_one() {
    const std::vector<MessageKey> keys = live_keys();
    if (keys.empty()) return;
    Expected& message = expected_[keys[random_.below(keys.size())]];
    const uint64_t count = 1 + random_.below(3);
    for (uint64_t i = 0; i < count; ++i) {
      const std::string text = "update " + std::to_string(message.updates.size());
      message.updates.push_back(text);
      store_->update(message.ref, text);
    }
  }

  void end_some(uint64_t count) {
    for (; count > 0; --count) {
      const std::vector<MessageKey> keys = live_keys();
      if (keys.size() < 4) return;
      // Mostly the old ones, so that segments empty; some stay for long.
      Expected& message = expected_[keys[random_.below(keys.size() / 2 + 1)]];
      message.is_ended = true;
      store_->end(message.ref);
    }
  }

  Task<Result<void>> flush() {
    std::map<MessageKey, std::pair<size_t, bool>> before;
    for (const auto& [key, message] : expected_) {
      before[key] = {message.updates.size(), message.is_ended};
    }
    std::vector<MessageKey> failed;
    for (const auto& [key, message] : expected_) {
      if (message.is_failed) failed.push_back(key);
    }
    const auto flushed = co_await store_->flush();
    if (flushed) {
      for (const MessageKey& key : failed) expected_[key].is_gone = true;
      for (const auto& [key, state] : before) {
        expected_[key].durable_updates = state.first;
        expected_[key].is_end_durable = state.second;
      }
    }
    co_return flushed;
  }

  // Another worker's shard, whose owner is gone.
  Task<void> adopt_one(Loop& loop) {
    KeepingSink sink;
    const std::string dir = "/shards/b";
    auto other = co_await Store::open(loop, files, dir, small_options(), sink);
    if (!other) co_return;
    const uint64_t count = 1 + random_.below(5);
    for (uint64_t i = 0; i < count; ++i) {
      const MessageKey key{next_id_++, 88};
      Expected& message = expected_[key];
      message.body_bytes = random_.below(4) == 0 ? 6000 : 700;
      const auto stored = co_await put(**other, key, message.body_bytes);
      if (!stored) continue;
      message.is_stored = true;
      message.updates.push_back("update 0");
      (*other)->update(stored->ref, "update 0");
    }
    const auto flushed = co_await (*other)->flush();
    co_await (*other)->close();
    other->reset();
    // Where it fails the messages are told by a later try, or by the next start.
    KeepingSink taken;
    const auto adopted = co_await store_->adopt(dir, taken);
    EXPECT_TRUE(adopted || files.is_off() || has_faults) << adopted.error().to_string();
    for (auto& [key, told] : taken.messages) expected_[key].ref = told.ref;
  }

  Task<void> check_all(Loop& loop) {
    KeepingSink sink;
    auto opened = co_await Store::open(loop, files, "/shards/a", small_options(), sink);
    EXPECT_TRUE(opened) << opened.error().to_string();
    if (!opened) co_return;
    store_ = std::move(*opened);
    // A shard that was not adopted yet is still there.
    if (files.stat(std::string("/shards/b"))) {
      const auto adopted = co_await store_->adopt("/shards/b", sink);
      // A folder without a lock is one whose making the cut interrupted.
      if (!adopted) EXPECT_EQ(adopted.error().code(), Errc::not_found);
    }
    EXPECT_EQ(sink.doubled, 0);
    EXPECT_EQ(sink.strays, 0);
    for (auto& [key, message] : expected_) co_await check_one(key, message, sink);
    for (const auto& [key, told] : sink.messages) EXPECT_TRUE(expected_.contains(key));
    co_await store_->close();
    store_.reset();
  }

  Task<void> check_one(MessageKey key, Expected& message, KeepingSink& sink) {
    SCOPED_TRACE("message " + std::to_string(key.high) + "/" + std::to_string(key.low));
    const auto found = sink.messages.find(key);
    const bool is_there = found != sink.messages.end();
    if (message.is_stored && !message.is_ended) EXPECT_TRUE(is_there);
    if (message.is_end_durable || message.is_gone) EXPECT_FALSE(is_there);
    if (!is_there) {
      message.is_stored = message.is_ended = message.is_failed = message.is_gone = false;
      message.is_end_durable = message.durable_updates = 0;
      message.updates.clear();
      co_return;
    }
    const Told& told = found->second;
    const auto envelope = co_await store_->read_envelope(told.ref);
    EXPECT_EQ(envelope.value_or("?"), text_of(key.high, 50));
    const auto headers = co_await store_->read_headers(told.ref);
    EXPECT_EQ(headers.value_or("?"), text_of(key.high + 1, 120));
    const auto body = co_await read_whole_body(*store_, told.ref);
    EXPECT_EQ(body.value_or("?"), text_of(key.high + 2, message.body_bytes));
    EXPECT_GE(told.updates.size(), message.durable_updates);
    EXPECT_LE(told.updates.size(), message.updates.size());
    for (size_t i = 0; i < told.updates.size(); ++i) {
      EXPECT_EQ(told.updates[i], "update " + std::to_string(i));
    }
    // What came back counts from now on.
    message.is_stored = true;
    message.is_ended = message.is_failed = message.is_gone = false;
    message.updates = told.updates;
    message.durable_updates = told.updates.size();
    message.ref = told.ref;
  }

  Random random_;
  std::unique_ptr<Store> store_;
  std::map<MessageKey, Expected> expected_;
  uint64_t next_id_ = 1;
};

constexpr unsigned kSteps = 70;

class PowerCut : public testing::TestWithParam<DirectWrites> {};

uint64_t operations_of(uint64_t seed, DirectWrites direct) {
  Machine machine(seed, direct);
  machine.live(kSteps);
  EXPECT_TRUE(machine.finished);
  machine.check("without a cut");
  // The script is of no use where it does not meet what it is to cut.
  EXPECT_GT(machine.seen.commits, 40u);
  EXPECT_GT(machine.seen.recycled_segments + machine.seen.removed_segments, 2u);
  EXPECT_GT(machine.seen.moved_messages, 0u);
  EXPECT_EQ(machine.seen.direct_batches > 0, direct == DirectWrites::work);
  return machine.files.operations();
}

// GODWIT_POWER_CUT_SEEDS=50 for a long run.
uint64_t seeds() {
  const char* wanted = std::getenv("GODWIT_POWER_CUT_SEEDS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
}

TEST_P(PowerCut, EveryOperationMayBeTheLast) {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    const uint64_t operations = operations_of(seed, GetParam());
    RecordProperty("operations", static_cast<int>(operations));
    for (uint64_t cut = 0; cut < operations; ++cut) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", cut at " + std::to_string(cut));
      Machine machine(seed, GetParam());
      machine.files.cut_power_at(cut);
      machine.live(kSteps);
      machine.files.cut_power_now();
      machine.check("after the cut");
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST_P(PowerCut, CutsFollowCuts) {
  for (uint64_t seed = 100; seed < 100 + 20 * seeds(); ++seed) {
    Machine machine(seed, GetParam());
    Random random(seed);
    for (int life = 0; life < 6; ++life) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", life " + std::to_string(life));
      machine.files.cut_power_at(machine.files.operations() + random.below(250));
      machine.live(kSteps);
      machine.files.cut_power_now();
      machine.check("after the cut");
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST_P(PowerCut, AFailedCallLosesNothingThatWasPromised) {
  for (uint64_t seed = 500; seed < 500 + 40 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed, GetParam());
    Random random(seed);
    machine.has_faults = true;
    for (int i = 0; i < 5; ++i) {
      const Errc code = random.below(2) == 0 ? Errc::disk_error : Errc::disk_full;
      machine.files.fail_at(30 + random.below(400), code);
    }
    machine.live(kSteps);
    machine.files.cut_power_now();
    machine.check("after the cut");
    if (testing::Test::HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Disks, PowerCut, testing::Values(DirectWrites::none, DirectWrites::work),
                         direct_name);

}  // namespace
}  // namespace godwit::spool::test
