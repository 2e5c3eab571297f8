// ConnectionCounts: how many SMTP connections there are, in all and for each client host, over all
// workers of the daemon; and what they have claimed (ETRN runs a command once at a time). A table
// in shared memory with a section for each worker process; a worker writes only its own and reads
// all of them. While a reload is under way the workers of the old configuration still count their
// connections, each in its own section. The supervisor clears the section of a worker that died.
//
// Beside them stands what workers and supervisor tell each other: that a worker's loop turns
// (daemon/watchdog.h), and which workers get no new connections.
#pragma once

#include "core/base/ip_address.h"
#include "core/base/result.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace godwit::daemon {

inline constexpr size_t kWorkersMax = 64;  // bits of a word, for those that are set aside
inline constexpr size_t kCountSections = 2 * kWorkersMax;  // of two generations of workers
inline constexpr size_t kHostSlots = 8192;                 // connected hosts of a worker
inline constexpr size_t kClaimSlots = 256;                 // claims of all workers at a time
inline constexpr size_t kProbeSlots = 16;  // a host whose slots are all taken is not counted

class ConnectionCounts {
 public:
  // A table of this process alone (tests, -bs).
  static std::unique_ptr<ConnectionCounts> make_private();
  // A new shared table; its descriptor is inherited by workers.
  static Result<std::unique_ptr<ConnectionCounts>> make_shared();
  static Result<std::unique_ptr<ConnectionCounts>> attach(int descriptor, size_t section);
  ~ConnectionCounts();
  ConnectionCounts(const ConnectionCounts&) = delete;
  ConnectionCounts& operator=(const ConnectionCounts&) = delete;

  int descriptor() const noexcept { return descriptor_; }
  void opened(const IpAddress& host) noexcept;
  void closed(const IpAddress& host) noexcept;
  uint64_t total() const noexcept;
  uint64_t of(const IpAddress& host) const noexcept;
  void clear(size_t number) noexcept;

  // For what may run once at a time over all workers: false where somebody has claimed `key`. A
  // claim ends with release(), or with the worker that made it.
  bool claim(std::string_view key) noexcept;
  void release(std::string_view key) noexcept;

  // The loop of this worker turns.
  void beat() noexcept { table_->beats[section_].fetch_add(1, std::memory_order_relaxed); }
  uint32_t beats(size_t section) const noexcept {
    return table_->beats[section % kCountSections].load(std::memory_order_relaxed);
  }
  // Of workers by index: they get no new connections. `aside_changes` counts what was changed.
  void set_aside(size_t worker, bool is_aside) noexcept;
  uint64_t aside() const noexcept { return table_->aside.load(std::memory_order_acquire); }
  bool is_aside(size_t worker) const noexcept { return (aside() >> worker & 1) != 0; }
  uint32_t aside_changes() const noexcept {
    return table_->aside_changes.load(std::memory_order_acquire);
  }

 private:
  struct Section {
    // By a 32-bit hash of the address, in one of kProbeSlots places from its home. A slot whose
    // count is 0 is free. Only the section's worker writes.
    std::atomic<uint32_t> hashes[kHostSlots];
    std::atomic<uint32_t> counts[kHostSlots];
  };
  struct Table {
    // The number of the section that claimed, from 1, below a hash of 48 bits; 0: free.
    std::atomic<uint64_t> claims[kClaimSlots];
    std::atomic<uint64_t> aside;  // a bit for each worker
    std::atomic<uint32_t> aside_changes;
    std::atomic<uint32_t> beats[kCountSections];
    std::atomic<uint32_t> totals[kCountSections];
    Section sections[kCountSections];
  };
  ConnectionCounts(Table* table, int descriptor, size_t section)
      : table_(table), descriptor_(descriptor), section_(section) {}
  static constexpr size_t kNoSlot = SIZE_MAX;
  // The slot with connections of `hash`.
  static size_t find(const Section& section, uint32_t hash) noexcept;

  Table* table_;
  int descriptor_;
  size_t section_;
};

}  // namespace godwit::daemon
