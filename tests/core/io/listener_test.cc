// How listening sockets that share a port divide connections, and what accepted streams are like.
#include "core/io/listener.h"

#include "core/io/scope.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace godwit {
namespace {

Endpoint bound_at(int descriptor) {
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  EXPECT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &length), 0);
  return Endpoint{*IpAddress::parse("127.0.0.1"), ntohs(bound.sin_port)};
}

int connect_to(const Endpoint& at) {
  sockaddr_storage address{};
  const unsigned length = to_sockaddr(at, address);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), length), 0);
  return descriptor;
}

constexpr size_t kSockets = 3;

class SharedPort : public testing::Test {
 protected:
  void SetUp() override {
    Endpoint at{*IpAddress::parse("127.0.0.1"), 0};
    for (int& listening : listening_) {
      listening = *bind_tcp(at, true);
      at = bound_at(listening);
      ASSERT_EQ(::listen(listening, 512), 0);
    }
    at_ = at;
  }
  void TearDown() override {
    for (int listening : listening_) ::close(listening);
  }
  // How many of `count` connections each socket got.
  std::array<int, kSockets> divide(int count) {
    std::array<int, kSockets> taken{};
    for (int i = 0; i < count; ++i) ::close(connect_to(at_));
    for (size_t i = 0; i < kSockets; ++i) {
      for (int got = ::accept(listening_[i], nullptr, nullptr); got >= 0;
           got = ::accept(listening_[i], nullptr, nullptr)) {
        ::close(got);
        ++taken[i];
      }
    }
    return taken;
  }

  std::array<int, kSockets> listening_{};
  Endpoint at_;
};

TEST_F(SharedPort, TheFirstGetsWhatTheOthersDoNot) {
  ASSERT_TRUE(share_connections(listening_[0], std::array<uint16_t, 3>{65535, 0, 0}));
  EXPECT_EQ(divide(100), (std::array{100, 0, 0}));
  ASSERT_TRUE(share_connections(listening_[0], std::array<uint16_t, 3>{0, 0, 0}));
  EXPECT_EQ(divide(100), (std::array{100, 0, 0}));
}

TEST_F(SharedPort, TheOrderIsThatOfListening) {
  // One in 65,536 goes to the first.
  ASSERT_TRUE(share_connections(listening_[2], std::array<uint16_t, 3>{0, 65535, 0}));
  EXPECT_GE(divide(100)[1], 98);
  ASSERT_TRUE(share_connections(listening_[1], std::array<uint16_t, 3>{0, 0, 65535}));
  EXPECT_GE(divide(100)[2], 98);
}

TEST_F(SharedPort, SharesAreSharesOfTheConnections) {
  ASSERT_TRUE(share_connections(listening_[0], std::array<uint16_t, 3>{49152, 16384, 0}));
  const std::array<int, kSockets> taken = divide(400);
  EXPECT_EQ(taken[0] + taken[1], 400);
  EXPECT_GT(taken[0], 230);  // 300 are expected: eight standard deviations
  EXPECT_GT(taken[1], 30);
  EXPECT_EQ(taken[2], 0);
}

TEST_F(SharedPort, WithoutSharesTheSystemSpreadsThem) {
  ASSERT_TRUE(share_connections(listening_[0], std::array<uint16_t, 3>{65535, 0, 0}));
  spread_connections(listening_[2]);
  for (const int taken : divide(300)) EXPECT_GT(taken, 30);  // 100 are expected
}

TEST_F(SharedPort, AListenerThatListensAgainKeepsItsPlace) {
  ASSERT_EQ(::listen(listening_[0], 64), 0);
  ASSERT_TRUE(share_connections(listening_[1], std::array<uint16_t, 3>{65535, 0, 0}));
  EXPECT_EQ(divide(50), (std::array{50, 0, 0}));
}

// Keeps the one stream that comes in.
struct Keeper final : ConnectionHandler {
  void on_connection(std::unique_ptr<UvStream> got) override { stream = std::move(got); }
  void on_accept_error(const Error&) override { ADD_FAILURE(); }
  std::unique_ptr<UvStream> stream;
};

// A client whose connection was accepted.
class ListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    const int listening = *bind_tcp(Endpoint{*IpAddress::parse("127.0.0.1"), 0});
    auto listener = Listener::open(loop_, listening, UvStream::Kind::tcp, 16, keeper_);
    ASSERT_TRUE(listener);
    listener_ = std::move(*listener);
    client_ = connect_to(bound_at(listening));
    while (keeper_.stream == nullptr) loop_.run_once();
  }
  void TearDown() override { ::close(client_); }

  Loop loop_;
  Keeper keeper_;
  std::unique_ptr<Listener> listener_;
  int client_ = -1;
};

TEST_F(ListenerTest, AcceptedStreamsDoNotWaitForFullPackets) {
  int value = 0;
  socklen_t length = sizeof value;
  ASSERT_EQ(::getsockopt(keeper_.stream->descriptor(), IPPROTO_TCP, TCP_NODELAY, &value, &length),
            0);
  EXPECT_NE(value, 0);
}

TEST_F(ListenerTest, TheLastWordsBeforeTheEndArrive) {
  const auto say = [](UvStream& to) -> Task<Result<bool>> {
    to.expect_close();
    const Result<void> sent = co_await to.write("221 bye\r\n");
    if (!sent) co_return sent.error();
    to.close();
    co_return true;
  };
  ASSERT_TRUE(test::run_task(loop_, say(*keeper_.stream)));
  std::string got(64, '\0');
  std::string all;
  for (ssize_t count = ::read(client_, got.data(), got.size()); count > 0;
       count = ::read(client_, got.data(), got.size())) {
    all += got.substr(0, static_cast<size_t>(count));
  }
  EXPECT_EQ(all, "221 bye\r\n");
}

struct BacklogKeeper final : ConnectionHandler {
  void on_connection(std::unique_ptr<UvStream> got) override { streams.push_back(std::move(got)); }
  void on_accept_error(const Error&) override { ADD_FAILURE(); }
  void on_backlog(uint32_t waiting, const Endpoint& local) override {
    backlogs.push_back(waiting);
    at = local;
  }
  std::vector<std::unique_ptr<UvStream>> streams;
  std::vector<uint32_t> backlogs;
  Endpoint at;
};

// The end of a handshake may come a moment after connect() has returned.
void wait_for_backlog(int listening, size_t count) {
  tcp_info facts{};
  do {
    socklen_t size = sizeof facts;
    ASSERT_EQ(::getsockopt(listening, IPPROTO_TCP, TCP_INFO, &facts, &size), 0);
  } while (facts.tcpi_unacked < count);
}

TEST(Listener, TellsOfBacklogsOverALimit) {
  constexpr size_t kClients = 5;
  for (const uint32_t limit : {0u, 3u}) {
    Loop loop;
    BacklogKeeper keeper;
    const int listening = *bind_tcp(Endpoint{*IpAddress::parse("127.0.0.1"), 0});
    auto listener = Listener::open(loop, listening, UvStream::Kind::tcp, 16, keeper);
    ASSERT_TRUE(listener);
    (*listener)->watch_backlog(limit);
    const Endpoint at = bound_at(listening);
    std::vector<int> clients;
    while (clients.size() < kClients) clients.push_back(connect_to(at));
    wait_for_backlog(listening, kClients);
    while (keeper.streams.size() < kClients) loop.run_once();
    EXPECT_EQ(keeper.backlogs,
              limit == 0 ? std::vector<uint32_t>() : (std::vector<uint32_t>{5, 4}));
    if (limit != 0) EXPECT_EQ(keeper.at, at);
    for (const int client : clients) ::close(client);
  }
}

}  // namespace
}  // namespace godwit
