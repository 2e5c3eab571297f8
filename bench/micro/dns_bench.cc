// The resolver: answers from its cache, and questions to a responder on loopback that shares the
// machine's cores with it (a thread of this process).
#include "dns/stub_resolver.h"

#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

namespace godwit::dns {
namespace {

constexpr size_t kDatagramBytes = 512;
constexpr int kBatch = 32;

// Answers every question with one A record; stops when its pipe closes.
class Responder {
 public:
  Responder() {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int room = 4 << 20;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_storage address{};
    socklen_t length = to_sockaddr({IpAddress::v4(0x7f000001), 0}, address);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), length);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    endpoint_ = *from_sockaddr(reinterpret_cast<sockaddr*>(&address));
    GODWIT_ASSERT(::pipe(stop_) == 0);
    thread_ = std::thread(&Responder::run, this);
  }
  ~Responder() {
    ::close(stop_[1]);
    thread_.join();
    ::close(stop_[0]);
    ::close(fd_);
  }
  Endpoint endpoint() const { return endpoint_; }

 private:
  void run() {
    std::array<std::array<char, kDatagramBytes>, kBatch> buffers;
    std::array<sockaddr_storage, kBatch> from;
    std::array<iovec, kBatch> parts;
    std::array<mmsghdr, kBatch> messages{};
    for (;;) {
      std::array<pollfd, 2> ready{{{fd_, POLLIN, 0}, {stop_[0], POLLIN, 0}}};
      ::poll(ready.data(), ready.size(), -1);
      if (ready[1].revents != 0) return;
      for (size_t i = 0; i < kBatch; ++i) {
        parts[i] = {buffers[i].data(), kDatagramBytes};
        messages[i].msg_hdr = {&from[i], sizeof from[i], &parts[i], 1, nullptr, 0, 0};
      }
      const int count = ::recvmmsg(fd_, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
      for (int i = 0; i < count; ++i)
        answer(buffers[static_cast<size_t>(i)], messages[static_cast<size_t>(i)]);
      if (count > 0) ::sendmmsg(fd_, messages.data(), static_cast<unsigned>(count), 0);
    }
  }
  // Turns the question into its answer: the question's EDNS record is cut off.
  static void answer(std::array<char, kDatagramBytes>& buffer, mmsghdr& message) {
    static constexpr char kRecord[] = "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\x7f\0\0\1";
    size_t at = 12;
    while (at < message.msg_len && buffer[at] != 0) at += 1 + static_cast<uint8_t>(buffer[at]);
    at += 5;
    buffer[2] = '\x81';
    buffer[3] = '\x80';
    buffer[7] = 1;
    buffer[11] = 0;
    std::copy_n(kRecord, sizeof kRecord - 1, buffer.begin() + static_cast<ptrdiff_t>(at));
    message.msg_hdr.msg_iov->iov_len = at + sizeof kRecord - 1;
  }

  int fd_ = -1;
  int stop_[2] = {-1, -1};
  Endpoint endpoint_;
  std::thread thread_;
};

struct Counts {
  uint64_t next = 0;
  uint64_t end = 0;
  uint64_t failed = 0;
};

// One of many that ask one name after the other.
Task<void> ask_in_turn(StubResolver& resolver, Counts& counts) {
  while (counts.next < counts.end) {
    const Result<Answer> answer =
        co_await resolver.query("h" + std::to_string(counts.next++) + ".test", RrType::A);
    if (!answer || !answer->found()) ++counts.failed;
  }
}

StubOptions options_for(const Responder& responder) {
  StubOptions options;
  options.upstreams = {{responder.endpoint(), true}};
  return options;
}

void uncached_lookups(benchmark::State& state) {
  constexpr uint64_t kQuestions = 20'000;
  Responder responder;
  Loop loop;
  StubResolver resolver(loop, options_for(responder));
  Scope scope;
  Counts counts;
  for (auto _ : state) {
    counts.end += kQuestions;
    for (int64_t i = 0; i < state.range(0); ++i) scope.spawn(ask_in_turn(resolver, counts));
    while (scope.running() > 0) loop.run_once();
  }
  scope.spawn(resolver.close());
  while (scope.running() > 0) loop.run_once();
  if (counts.failed > 0) state.SkipWithError("questions failed");
  state.SetItemsProcessed(static_cast<int64_t>(counts.end));
}
BENCHMARK(uncached_lookups)->Arg(1)->Arg(50)->Arg(500)->UseRealTime()->MeasureProcessCPUTime();

void cached_lookups(benchmark::State& state) {
  constexpr uint64_t kNames = 1000;
  Responder responder;
  Loop loop;
  StubResolver resolver(loop, options_for(responder));
  Scope scope;
  Counts counts;
  counts.end = kNames;
  scope.spawn(ask_in_turn(resolver, counts));
  while (scope.running() > 0) loop.run_once();
  std::vector<std::string> names;
  for (uint64_t i = 0; i < kNames; ++i) names.push_back("h" + std::to_string(i) + ".test");
  size_t at = 0;
  for (auto _ : state) {
    const Result<Answer> answer = ask(resolver, names[at++ % kNames], RrType::A);
    if (!answer) state.SkipWithError("not cached");
  }
  scope.spawn(resolver.close());
  while (scope.running() > 0) loop.run_once();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(cached_lookups);

}  // namespace
}  // namespace godwit::dns
