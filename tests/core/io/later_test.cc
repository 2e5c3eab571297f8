// Turns that do not get long: Loop::is_late, yields, and what is put off.
#include "core/io/later.h"

#include "core/io/listener.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "core/io/task.h"
#include "core/io/uv_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace godwit {
namespace {

constexpr int64_t kWorkMicros = 1'000;
constexpr size_t kClosesAt = 6;             // a turn is late at its fifth question at the latest
constexpr int64_t kTurnMicrosMax = 60'000;  // far less than all of it; the machine may be busy

// Work that takes the processor for a millisecond.
void work(const Loop& loop) {
  const Instant began = loop.clock().now();
  while (loop.clock().now().micros - began.micros < kWorkMicros) {
  }
}

void work_until(const Loop& loop, Instant end) {
  while (loop.clock().now() < end) {
  }
}

Task<void> work_on(Loop& loop, int pieces, int name, std::vector<int>& order) {
  for (int i = 0; i < pieces; ++i) {
    co_await yield_if_late(loop);
    work(loop);
    order.push_back(name);
  }
}

TEST(Later, ATaskThatYieldsWhenItIsLateDoesNotHoldTheLoop) {
  Loop loop;
  loop.poll();
  loop.take_turn_stats();
  Scope scope;
  std::vector<int> order;
  scope.spawn(work_on(loop, 200, 1, order));
  EXPECT_LT(order.size(), 100u);
  loop.run();
  EXPECT_EQ(scope.running(), 0u);
  EXPECT_EQ(order.size(), 200u);
  EXPECT_LT(loop.take_turn_stats().longest_cpu_micros, kTurnMicrosMax);
}

TEST(Later, WhoeverWaitsLongerGoesOnFirst) {
  Loop loop;
  Scope scope;
  std::vector<int> order;
  const auto twice = [](Loop& at, int name, std::vector<int>& into) -> Task<void> {
    into.push_back(name);
    co_await yield(at);
    into.push_back(name);
    co_await yield(at);
    into.push_back(name);
  };
  for (int name = 1; name <= 3; ++name) scope.spawn(twice(loop, name, order));
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 1, 2, 3, 1, 2, 3}));
}

TEST(Later, OneThatGoesAwayIsNotRun) {
  Loop loop;
  int runs = 0;
  const auto count = [](void* self) noexcept { ++*static_cast<int*>(self); };
  {
    Later gone(count, &runs);
    loop.put_off(gone);
    EXPECT_TRUE(gone.is_pending());
  }
  Later stays(count, &runs);
  loop.put_off(stays);
  loop.put_off(stays);
  loop.run();
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(stays.is_pending());
}

TEST(Later, TimersThatAreDueTogetherAreSpreadOverTurnsInTheirOrder) {
  Loop loop;
  loop.poll();
  loop.take_turn_stats();
  Scope scope;
  std::vector<int> order;
  const auto sleep = [](Loop& at, int name, std::vector<int>& into) -> Task<void> {
    const Millis delay{1 + name};
    co_await Sleep(at.timers(), delay);
    work(at);
    into.push_back(name);
  };
  for (int name = 0; name < 100; ++name) scope.spawn(sleep(loop, name, order));
  work_until(loop, loop.clock().now() + Millis{101});  // all of them are due
  loop.run();
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_LT(loop.take_turn_stats().longest_cpu_micros, kTurnMicrosMax);
}

TEST(Later, JobsThatEndTogetherAreTakenUpOverTurns) {
  Loop loop;
  loop.poll();
  loop.take_turn_stats();
  Scope scope;
  int done = 0;
  std::atomic<int> ran = 0;
  const auto ask = [&ran](Loop& at, int& into) -> Task<void> {
    auto job = [&ran] { return ++ran > 0; };
    co_await blocking(at, job);
    work(at);
    ++into;
  };
  for (int i = 0; i < 100; ++i) scope.spawn(ask(loop, done));
  while (ran < 100) {
  }
  loop.run();
  EXPECT_EQ(done, 100);
  EXPECT_EQ(loop.jobs_in_flight(), 0u);
  EXPECT_LT(loop.take_turn_stats().longest_cpu_micros, kTurnMicrosMax);
}

struct Pair {
  std::unique_ptr<UvStream> stream;
  int other = -1;
};

std::vector<Pair> open_pairs(Loop& loop, size_t count) {
  std::vector<Pair> pairs(count);
  for (Pair& pair : pairs) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    pair.stream = std::move(*UvStream::from_descriptor(loop, ends[0]));
    pair.other = ends[1];
  }
  return pairs;
}

TEST(Later, StreamsThatAreReadableTogetherAreReadOverTurnsAndLoseNothing) {
  Loop loop;
  std::vector<Pair> pairs = open_pairs(loop, 100);
  Scope scope;
  std::string all;
  const auto read = [](Loop& at, ByteStream& from, std::string& into) -> Task<void> {
    for (;;) {
      const Result<std::string_view> got = co_await from.read();
      if (!got || got->empty()) co_return;
      into += *got;
      work(at);
    }
  };
  for (Pair& pair : pairs) scope.spawn(read(loop, *pair.stream, all));
  loop.poll();
  loop.take_turn_stats();
  for (const Pair& pair : pairs) {
    ASSERT_EQ(::write(pair.other, "text", 4), 4);
    ::close(pair.other);
  }
  loop.run();
  EXPECT_EQ(scope.running(), 0u);
  EXPECT_EQ(all.size(), 400u);
  EXPECT_LT(loop.take_turn_stats().longest_cpu_micros, kTurnMicrosMax);
}

TEST(Later, AStreamThatIsClosedWhileItsReadIsPutOffIsNotRead) {
  Loop loop;
  std::vector<Pair> pairs = open_pairs(loop, 20);
  Scope scope;
  size_t read_count = 0;
  const auto read = [](Loop& at, std::vector<Pair>& all, ByteStream& from,
                       size_t& count) -> Task<void> {
    const Result<std::string_view> got = co_await from.read();
    if (!got) co_return;
    ++count;
    for (int i = 0; i < 5; ++i) work(at);
    if (count != kClosesAt) co_return;
    for (Pair& pair : all) {
      if (pair.stream.get() != &from) pair.stream->close();
    }
  };
  for (Pair& pair : pairs) scope.spawn(read(loop, pairs, *pair.stream, read_count));
  loop.poll();
  for (const Pair& pair : pairs) ASSERT_EQ(::write(pair.other, "text", 4), 4);
  for (int turn = 0; turn < 100 && scope.running() > 0; ++turn) loop.poll();
  EXPECT_EQ(scope.running(), 0u);
  EXPECT_EQ(read_count, kClosesAt);
  for (const Pair& pair : pairs) ::close(pair.other);
  pairs.clear();
}

TEST(Later, InVirtualTimeNothingIsEverLate) {
  ManualClock clock(WallTime{});
  Loop loop(VirtualTime{clock});
  Scope scope;
  std::vector<int> order;
  const auto busy = [](Loop& at, std::vector<int>& into) -> Task<void> {
    for (int i = 0; i < 10; ++i) {
      const Loop real;  // its clock runs
      work(real);
      co_await yield_if_late(at);
      into.push_back(i);
    }
    co_await yield(at);
    into.push_back(10);
  };
  scope.spawn(busy(loop, order));
  EXPECT_EQ(order.size(), 10u);
  loop.run_once();
  EXPECT_EQ(order.size(), 11u);
}

}  // namespace
}  // namespace godwit
