// A name server for tests on a loopback port that the system picks, on a thread of its own: UDP and
// TCP, answers from a function. Stops at its end.
#pragma once

#include "core/base/ip_address.h"

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace godwit::test {

class DnsServer {
 public:
  struct Query {
    std::string_view bytes;
    bool over_tcp;
    int number;  // counts from 1, UDP and TCP
  };
  // The messages to send back; none: silence (UDP) or the end of the connection (TCP).
  using Answer = std::function<std::vector<std::string>(const Query& query)>;

  explicit DnsServer(Answer answer);
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer();

  Endpoint endpoint() const { return endpoint_; }
  int queries() const { return queries_; }

 private:
  void serve();
  void serve_udp();
  void serve_tcp();

  Answer answer_;
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
