// A name server for tests on a loopback port that the system picks, on a thread of its own: UDP and
// TCP, answers from a function. Stops at its end.
#pragma once

#include "core/base/ip_address.h"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace godwit::test {

class DnsServer {
 public:
  struct Query {
    std::string_view bytes;
    bool over_tcp;
    int number;  // counts from 1, UDP and TCP
  };
  // `answer(query)` runs on the server's thread and gives the messages to send back; none: silence
  // (UDP) or the end of the connection (TCP).
  template <class F>
  explicit DnsServer(F answer) : script_(std::make_unique<Calls<F>>(std::move(answer))) {
    start();
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer();

  Endpoint endpoint() const { return endpoint_; }
  int queries() const { return queries_; }

 private:
  struct Script {
    virtual ~Script() = default;
    virtual std::vector<std::string> answer(const Query& query) = 0;
  };
  template <class F>
  struct Calls final : Script {
    explicit Calls(F call) : call_(std::move(call)) {}
    std::vector<std::string> answer(const Query& query) override { return call_(query); }
    F call_;
  };

  void start();
  void serve();
  void serve_udp();
  void serve_tcp();

  std::unique_ptr<Script> script_;
  Endpoint endpoint_;
  int udp_ = -1;
  int tcp_ = -1;
  int stop_[2] = {-1, -1};
  std::atomic<int> queries_ = 0;
  std::thread thread_;
};

// A loopback port on which nobody listens.
Endpoint deaf_endpoint();

}  // namespace godwit::test
