#include "core/io/poll.h"

#include "core/io/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>

namespace godwit {
namespace {

struct Seen {
  bool readable = false;
  bool writable = false;
  int calls = 0;

  static void on_event(void* self, bool readable, bool writable) noexcept {
    auto& seen = *static_cast<Seen*>(self);
    seen.readable = seen.readable || readable;
    seen.writable = seen.writable || writable;
    ++seen.calls;
  }
};

TEST(PollHandle, TellsWhatADescriptorIsReadyFor) {
  Loop loop;
  std::array<int, 2> pair;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  std::optional<PollHandle> poll(std::in_place, loop, pair[0]);
  Seen seen;
  ASSERT_TRUE(poll->watch(true, false, &Seen::on_event, &seen));
  loop.poll();
  EXPECT_EQ(seen.calls, 0);
  ASSERT_EQ(::write(pair[1], "x", 1), 1);
  loop.poll();
  EXPECT_TRUE(seen.readable);
  EXPECT_FALSE(seen.writable);
  poll->stop();
  const int calls = seen.calls;
  loop.poll();
  EXPECT_EQ(seen.calls, calls);
  // Another handle may watch the descriptor once the first is gone.
  poll.reset();
  poll.emplace(loop, pair[0]);
  ASSERT_TRUE(poll->watch(false, true, &Seen::on_event, &seen));
  loop.poll();
  EXPECT_TRUE(seen.writable);
  poll.reset();
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST(PollHandle, ADescriptorThatCannotBeWatchedIsAnError) {
  Loop loop;
  PollHandle poll(loop, 10'000);
  Seen seen;
  EXPECT_FALSE(poll.watch(true, false, &Seen::on_event, &seen));
}

}  // namespace
}  // namespace godwit
