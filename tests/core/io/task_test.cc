#include "core/io/task.h"

#include "core/io/scope.h"
#include "core/io/timers.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit {
namespace {

Task<Result<int>> answer(int value) {
  co_return value;
}
Task<Result<int>> refuse() {
  co_return Error(Errc::disk_full, "scripted");
}
Task<Result<void>> nothing() {
  co_return Result<void>();
}

Task<Result<int>> sum_of_many(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await ok(answer(1));
  co_return sum;
}

Task<Result<int>> fails_in_the_middle(bool& went_on) {
  co_await ok(nothing());
  const int value = co_await ok(refuse());
  went_on = true;
  co_return value;
}

Task<Result<int>> passes_up(bool& went_on) {
  const int value = co_await ok(fails_in_the_middle(went_on));
  went_on = true;
  co_return value;
}

TEST(Task, AwaitsManySynchronousTasksWithoutGrowingTheStack) {
  Task<Result<int>> task = sum_of_many(200'000);
  task.start();
  ASSERT_TRUE(task.done());
  EXPECT_EQ(*task.take(), 200'000);
}

TEST(Task, AnErrorLeavesEveryFrameUpToTheOneThatTakesIt) {
  bool went_on = false;
  Task<Result<int>> task = passes_up(went_on);
  task.start();
  ASSERT_TRUE(task.done());
  const Result<int> result = task.take();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), Errc::disk_full);
  EXPECT_FALSE(went_on);
}

Task<Result<int>> fails_after_a_sleep(Timers& timers) {
  const Seconds pause{5};
  co_await Sleep(timers, pause);
  co_return Error(Errc::timed_out, "scripted");
}

Task<void> keeps_the_result(Timers& timers, int& state) {
  state = 1;
  Task<Result<int>> inner = fails_after_a_sleep(timers);
  const Result<int> result = co_await inner;
  state = result.has_value() ? 2 : 3;
}

TEST(Task, AnErrorAfterARealSuspensionArrivesToo) {
  ManualClock clock(WallTime::from_seconds(1000));
  Timers timers(clock);
  Scope scope;
  int state = 0;
  scope.spawn(keeps_the_result(timers, state));
  EXPECT_EQ(state, 1);
  clock.advance(Seconds{4});
  timers.run_due();
  EXPECT_EQ(state, 1) << "not yet";
  clock.advance(Seconds{1});
  timers.run_due();
  EXPECT_EQ(state, 3);
  EXPECT_EQ(scope.running(), 0U);
}

Task<void> sleep_once(Timers& timers, CancelSource& cancel, std::string& log) {
  const Seconds pause{10};
  const bool whole = co_await Sleep(timers, pause, &cancel);
  log += whole ? 'w' : 'c';
}

Task<void> join_then(Scope& scope, std::string& log) {
  co_await scope.join();
  log += 'j';
}

TEST(Scope, JoinCompletesAfterTheLastTask) {
  ManualClock clock(WallTime::from_seconds(1000));
  Timers timers(clock);
  CancelSource cancel;
  std::string log;
  Scope scope;
  Scope outer;
  scope.spawn(sleep_once(timers, cancel, log));
  scope.spawn(sleep_once(timers, cancel, log));
  outer.spawn(join_then(scope, log));
  EXPECT_EQ(log, "");
  clock.advance(Seconds{10});
  timers.run_due();
  EXPECT_EQ(log, "wwj");
}

TEST(Cancel, WakesEveryWaiterOnceAndLaterOnesAtOnce) {
  ManualClock clock(WallTime::from_seconds(1000));
  Timers timers(clock);
  CancelSource cancel;
  std::string log;
  Scope scope;
  scope.spawn(sleep_once(timers, cancel, log));
  scope.spawn(sleep_once(timers, cancel, log));
  cancel.cancel();
  EXPECT_EQ(log, "cc");
  scope.spawn(sleep_once(timers, cancel, log));
  EXPECT_EQ(log, "ccc");
}

struct Fired {
  int count = 0;
  static void on_fire(void* self) noexcept { ++static_cast<Fired*>(self)->count; }
};

TEST(Timers, ADeadlineMovedLaterFiresOnceAtTheLaterTime) {
  ManualClock clock(WallTime::from_seconds(1000));
  Timers timers(clock);
  Fired fired;
  TimerNode node(&Fired::on_fire, &fired);
  timers.set(node, clock.now() + Seconds{5});
  timers.set(node, clock.now() + Seconds{9});
  clock.advance(Seconds{5});
  timers.run_due();
  EXPECT_EQ(fired.count, 0);
  clock.advance(Seconds{4});
  timers.run_due();
  EXPECT_EQ(fired.count, 1);
  EXPECT_EQ(timers.earliest(), Instant::never());
}

TEST(Timers, ADisarmedOrDestroyedNodeDoesNotFire) {
  ManualClock clock(WallTime::from_seconds(1000));
  Timers timers(clock);
  Fired fired;
  TimerNode kept(&Fired::on_fire, &fired);
  {
    TimerNode gone(&Fired::on_fire, &fired);
    timers.set(gone, clock.now() + Seconds{1});
  }
  timers.set(kept, clock.now() + Seconds{1});
  kept.disarm();
  clock.advance(Seconds{2});
  timers.run_due();
  EXPECT_EQ(fired.count, 0);
}

TEST(Timers, FiresInTheOrderOfTheDeadlines) {
  ManualClock clock(WallTime::from_seconds(1000));
  Timers timers(clock);
  struct Entry {
    std::vector<int>* order;
    int id;
    static void on_fire(void* self) noexcept {
      auto* entry = static_cast<Entry*>(self);
      entry->order->push_back(entry->id);
    }
  };
  std::vector<int> order;
  std::vector<Entry> entries;
  for (int i = 0; i < 50; ++i) entries.push_back({&order, i});
  std::vector<std::unique_ptr<TimerNode>> nodes;
  for (Entry& entry : entries) {
    nodes.push_back(std::make_unique<TimerNode>(&Entry::on_fire, &entry));
    timers.set(*nodes.back(), clock.now() + Millis{(entry.id * 37) % 50});
  }
  clock.advance(Seconds{1});
  timers.run_due();
  ASSERT_EQ(order.size(), 50U);
  for (size_t i = 1; i < order.size(); ++i)
    EXPECT_LT((order[i - 1] * 37) % 50, (order[i] * 37) % 50);
}

}  // namespace
}  // namespace godwit
