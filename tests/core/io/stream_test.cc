#include "core/io/listener.h"
#include "core/io/uv_stream.h"
#include "tests/support/memory_stream.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace godwit {
namespace {

// Echoes what it reads until the peer ends.
class EchoServer final : public ConnectionHandler {
 public:
  explicit EchoServer(Loop& loop) {
    const Result<int> fd = bind_tcp(Endpoint{*IpAddress::parse("127.0.0.1"), 0});
    EXPECT_TRUE(fd.has_value());
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &length);
    at_ = Endpoint{*IpAddress::parse("127.0.0.1"), ntohs(bound.sin_port)};
    listener_ = std::move(*Listener::open(loop, *fd, UvStream::Kind::tcp, 16, *this));
  }
  Endpoint at() const { return at_; }
  Scope& scope() { return scope_; }
  void on_connection(std::unique_ptr<UvStream> stream) override {
    scope_.spawn(serve(std::move(stream)));
  }
  void on_accept_error(const Error&) override { ADD_FAILURE(); }

 private:
  static Task<void> serve(std::unique_ptr<UvStream> stream) {
    for (;;) {
      const Result<std::string_view> got = co_await stream->read();
      if (!got || got->empty()) break;
      const Result<void> sent = co_await stream->write(*got);
      if (!sent) break;
    }
  }
  Scope scope_;
  Endpoint at_;
  std::unique_ptr<Listener> listener_;
};

Task<Result<std::string>> exchange(Loop& loop, Endpoint to, std::string sent) {
  ConnectOptions options;
  options.to = to;
  std::unique_ptr<UvStream> stream = co_await ok(connect(loop, options));
  stream->set_deadline(loop.clock().now() + Seconds{20});
  // A large message must be read while it is written, or both ends wait for each other.
  std::string received;
  size_t at = 0;
  while (received.size() < sent.size()) {
    if (at < sent.size()) {
      const std::string_view piece = std::string_view(sent).substr(at, 30'000);
      const Result<void> written = co_await stream->write(piece);
      if (!written) co_return written.error();
      at += piece.size();
    }
    const Result<std::string_view> got = co_await stream->read();
    if (!got) co_return got.error();
    if (got->empty()) break;
    received.append(*got);
  }
  co_return std::move(received);
}

TEST(UvStream, EchoesSmallAndLargeData) {
  Loop loop;
  EchoServer server(loop);
  EXPECT_EQ(*test::run_task(loop, exchange(loop, server.at(), "hello")), "hello");
  std::string large(3'000'000, 'x');
  for (size_t i = 0; i < large.size(); i += 7) large[i] = static_cast<char>('a' + i % 26);
  EXPECT_EQ(*test::run_task(loop, exchange(loop, server.at(), large)), large);
  while (server.scope().running() > 0) loop.run_once();
}

Task<Result<std::string_view>> read_with_deadline(Loop& loop, Endpoint to, Millis limit) {
  ConnectOptions options;
  options.to = to;
  std::unique_ptr<UvStream> stream = co_await ok(connect(loop, options));
  stream->set_deadline(loop.clock().now() + limit);
  const Result<std::string_view> got = co_await stream->read();
  co_return got;
}

TEST(UvStream, AReadEndsAtItsDeadline) {
  Loop loop;
  EchoServer server(loop);
  const Result<std::string_view> got =
      test::run_task(loop, read_with_deadline(loop, server.at(), Millis{20}));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code(), Errc::timed_out);
  while (server.scope().running() > 0) loop.run_once();
}

Task<Result<bool>> delays(Loop& loop, Endpoint to, bool allowed) {
  ConnectOptions options;
  options.to = to;
  std::unique_ptr<UvStream> stream = co_await ok(connect(loop, options));
  if (allowed) stream->allow_delay();
  int no_delay = -1;
  socklen_t size = sizeof no_delay;
  getsockopt(stream->descriptor(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  co_return no_delay == 0;
}

TEST(UvStream, SmallWritesWaitOnlyWhereTheyMay) {
  Loop loop;
  EchoServer server(loop);
  EXPECT_FALSE(*test::run_task(loop, delays(loop, server.at(), false)));
  EXPECT_TRUE(*test::run_task(loop, delays(loop, server.at(), true)));
  while (server.scope().running() > 0) loop.run_once();
}

Task<Result<bool>> just_connect(Loop& loop, Endpoint to) {
  ConnectOptions options;
  options.to = to;
  std::unique_ptr<UvStream> stream = co_await ok(connect(loop, options));
  co_return true;
}

TEST(UvStream, ARefusedConnectionSaysSo) {
  Loop loop;
  const int fd = *bind_tcp(Endpoint{*IpAddress::parse("127.0.0.1"), 0});
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length);
  const Endpoint at{*IpAddress::parse("127.0.0.1"), ntohs(bound.sin_port)};
  const Result<bool> connected = test::run_task(loop, just_connect(loop, at));
  ASSERT_FALSE(connected.has_value());
  EXPECT_EQ(connected.error().code(), Errc::connection_refused);
  close(fd);
}

Task<void> read_until_interrupted(UvStream& stream, Errc& seen) {
  const Result<std::string_view> got = co_await stream.read();
  seen = got ? Errc::internal : got.error().code();
}

Task<Result<std::unique_ptr<UvStream>>> open_to(Loop& loop, Endpoint to) {
  ConnectOptions options;
  options.to = to;
  std::unique_ptr<UvStream> stream = co_await ok(connect(loop, options));
  co_return std::move(stream);
}

TEST(UvStream, InterruptingAndClosingWakeTheReader) {
  Loop loop;
  EchoServer server(loop);
  for (const bool closing : {false, true}) {
    std::unique_ptr<UvStream> stream = std::move(*test::run_task(loop, open_to(loop, server.at())));
    Errc seen = Errc::internal;
    Scope scope;
    scope.spawn(read_until_interrupted(*stream, seen));
    if (closing) {
      stream->close();
    } else {
      stream->interrupt_reads();
    }
    EXPECT_EQ(seen, Errc::cancelled);
  }
  while (server.scope().running() > 0) loop.run_once();
}

Task<Result<std::string>> read_twice(UvStream& stream, Errc& first) {
  const Result<std::string_view> woken = co_await stream.read();
  first = woken ? Errc::internal : woken.error().code();
  const Result<void> sent = co_await stream.write("again");
  if (!sent) co_return sent.error();
  const Result<std::string_view> got = co_await stream.read();
  if (!got) co_return got.error();
  co_return std::string(*got);
}

TEST(UvStream, AWokenReaderMayReadAgain) {
  Loop loop;
  EchoServer server(loop);
  std::unique_ptr<UvStream> stream = std::move(*test::run_task(loop, open_to(loop, server.at())));
  Errc first = Errc::internal;
  std::optional<Result<std::string>> second;
  Scope scope;
  const auto reading = [&]() -> Task<void> { second.emplace(co_await read_twice(*stream, first)); };
  scope.spawn(reading());
  stream->wake_reader();
  EXPECT_EQ(first, Errc::cancelled);
  while (!second) loop.run_once();
  ASSERT_TRUE(*second) << second->error().to_string();
  EXPECT_EQ(**second, "again");
  stream->close();
  while (server.scope().running() > 0) loop.run_once();
}

Task<Result<int>> work(Loop& loop) {
  int result = 0;
  for (int i = 0; i < 3; ++i) {
    auto job = blocking(loop, [i] { return i * 10; });
    result += co_await job;
  }
  co_return result;
}

TEST(Loop, RunsBlockingWorkOnThePool) {
  Loop loop;
  EXPECT_EQ(*test::run_task(loop, work(loop)), 30);
}

TEST(Loop, RunsTurnEndHooksBeforeItWaits) {
  Loop loop;
  int runs = 0;
  TurnEnd hook([](void* self) noexcept { ++*static_cast<int*>(self); }, &runs);
  loop.at_turn_end(hook);
  loop.at_turn_end(hook);
  loop.poll();
  EXPECT_EQ(runs, 1);
  loop.poll();
  EXPECT_EQ(runs, 1);
}

TEST(Loop, TellsHowLongItWasBusyAndNotHowLongItWaited) {
  Loop loop;
  TurnEnd busy(
      [](void*) noexcept {
        const SystemClock clock;
        const Instant until = clock.now() + Millis{12};
        while (clock.now() < until) {
        }
      },
      nullptr);
  TimerNode timer([](void* self) noexcept { static_cast<Loop*>(self)->stop(); }, &loop);
  loop.timers().set(timer, loop.clock().now() + Millis{200});
  loop.run();
  EXPECT_LT(loop.take_turn_stats().longest_micros, 200'000);
  loop.at_turn_end(busy);
  loop.poll();
  const TurnStats stats = loop.take_turn_stats();
  EXPECT_GE(stats.longest_micros, 12'000);
  EXPECT_GE(stats.slow, 1u);
  EXPECT_EQ(loop.take_turn_stats().slow, 0u);
}

Task<void> read_all(test::MemoryStream& stream, std::vector<std::string>& pieces) {
  for (;;) {
    const Result<std::string_view> got = co_await stream.read();
    if (!got || got->empty()) break;
    pieces.emplace_back(*got);
  }
}

TEST(MemoryStream, GivesBytesAsTheTestCutsThem) {
  test::MemoryStream stream;
  stream.set_read_size_max(2);
  std::vector<std::string> pieces;
  Scope scope;
  scope.spawn(read_all(stream, pieces));
  stream.push("abcde");
  stream.push_end();
  EXPECT_EQ(pieces, (std::vector<std::string>{"ab", "cd", "e"}));
}

}  // namespace
}  // namespace godwit
