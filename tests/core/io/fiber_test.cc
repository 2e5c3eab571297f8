#include "core/io/fiber.h"

#include "core/io/event.h"
#include "core/io/scope.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace godwit {
namespace {

Task<int> answer_after(Event& event, int answer) {
  co_await event;
  co_return answer;
}

Task<int> answer_now(int answer) {
  co_return answer;
}

// Deep in calls, as an evaluator is.
int ask_deeply(int depth, Event& event) {
  std::array<char, 512> local{};
  local[static_cast<size_t>(depth) % local.size()] = 1;
  const int below = depth == 0 ? wait_for(answer_after(event, 40)) : ask_deeply(depth - 1, event);
  return below + std::accumulate(local.begin(), local.end(), 0);
}

Task<void> store(int depth, Event& event, int& out) {
  auto call = [&] { return ask_deeply(depth, event); };
  out = co_await on_fiber(call);
}

TEST(Fiber, WithoutAWaitTheBodyRunsAtOnce) {
  Scope scope;
  int out = 0;
  const auto body = [](int& result) -> Task<void> {
    auto call = [] { return wait_for(answer_now(3)) + 4; };
    result = co_await on_fiber(call);
  };
  scope.spawn(body(out));
  EXPECT_EQ(out, 7);
  EXPECT_EQ(scope.running(), 0u);
  EXPECT_FALSE(Fiber::is_current());
}

TEST(Fiber, AWaitDeepInCallsLetsTheStarterGoOn) {
  Scope scope;
  Event event;
  int out = 0;
  scope.spawn(store(50, event, out));
  EXPECT_EQ(out, 0);
  EXPECT_FALSE(Fiber::is_current());
  event.set();
  EXPECT_EQ(out, 91);
  EXPECT_EQ(scope.running(), 0u);
}

TEST(Fiber, ManyWaitAtOnceAndEndInAnyOrder) {
  constexpr size_t kCount = 200;
  Scope scope;
  std::vector<std::unique_ptr<Event>> events;
  std::vector<int> out(kCount);
  for (size_t round = 0; round < 3; ++round) {
    events.clear();
    for (size_t i = 0; i < kCount; ++i) {
      events.push_back(std::make_unique<Event>());
      scope.spawn(store(static_cast<int>(i % 20), *events[i], out[i]));
    }
    for (size_t i = 0; i < kCount; ++i) events[(i * 77) % kCount]->set();
    EXPECT_EQ(scope.running(), 0u);
    for (size_t i = 0; i < kCount; ++i) EXPECT_EQ(out[i], 41 + static_cast<int>(i % 20));
  }
}

TEST(Fiber, AFiberMayAwaitATaskThatUsesAFiber) {
  Scope scope;
  Event event;
  int out = 0;
  const auto inner = [](Event& wanted) -> Task<int> {
    auto call = [&] { return ask_deeply(3, wanted); };
    co_return co_await on_fiber(call);
  };
  const auto outer = [&](int& result) -> Task<void> {
    auto call = [&] { return 1 + wait_for(inner(event)); };
    result = co_await on_fiber(call);
  };
  scope.spawn(outer(out));
  event.set();
  EXPECT_EQ(out, 45);
}

TEST(Fiber, WaitsOneAfterAnother) {
  Scope scope;
  std::array<Event, 3> events;
  std::string out;
  const auto body = [&]() -> Task<void> {
    auto call = [&] {
      for (Event& event : events) out += std::to_string(wait_for(answer_after(event, 1)));
      return true;
    };
    EXPECT_TRUE(co_await on_fiber(call));
  };
  scope.spawn(body());
  for (Event& event : events) event.set();
  EXPECT_EQ(out, "111");
}

}  // namespace
}  // namespace godwit
