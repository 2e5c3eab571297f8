// Packing: how many of the workers get new connections. A worker that has much to do works in large
// batches: more events a turn, more messages a sync, more mail over one connection, and less
// processor time a message than several workers that keep waking up. So connections go to the first
// worker until it is nearly full, and only what is over to the next ones; under full load all get
// the same.
//
// The first worker decides alone, when it accepts (it always gets its share), and tells the system
// how to spread connections (share_connections). A connection stays where it is.
#pragma once

#include "core/base/time.h"
#include "daemon/inbound.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace godwit::daemon {

class Packing {
 public:
  explicit Packing(size_t workers) : workers_(workers) {}

  // The loop of the first worker has used `cpu_micros` of the processor up to `now`, and has
  // `sessions`. True where width() has changed.
  bool look(Instant now, int64_t cpu_micros, size_t sessions) noexcept;
  // True where it is time for look(): the caller need not ask for the processor time before.
  bool is_due(Instant now, size_t sessions) const noexcept;
  // From 1 to all workers; with 1.25 the second worker gets a quarter of what the first one gets.
  double width() const noexcept { return width_; }
  // For share_connections(): of 65,536, for each worker. Workers whose bit is in `aside` get none.
  std::vector<uint16_t> shares(uint64_t aside = 0) const;

 private:
  double narrowest(size_t sessions) const noexcept;

  size_t workers_;
  double width_ = 1;
  Instant looked_at_;
  int64_t cpu_seen_micros_ = 0;
};

// What the listeners of the first worker report to: passes everything on to `inbound`, and tells
// the system what the packing has decided.
class PackedInbound final : public ConnectionHandler {
 public:
  // `descriptors` are the listening sockets of the first worker; others share their ports.
  PackedInbound(Inbound& inbound, size_t workers, std::vector<int> descriptors);

  void on_connection(std::unique_ptr<UvStream> stream) override;
  void on_accept_error(const Error& error) override { inbound_.on_accept_error(error); }
  void on_backlog(uint32_t waiting, const Endpoint& local) override {
    inbound_.on_backlog(waiting, local);
  }

 private:
  void share();

  Inbound& inbound_;
  Packing packing_;
  std::vector<int> descriptors_;
  uint32_t aside_changes_ = 0;
};

}  // namespace godwit::daemon
