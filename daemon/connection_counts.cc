#include "daemon/connection_counts.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace godwit::daemon {
namespace {

uint32_t hash_of(const IpAddress& host) noexcept {
  uint32_t hash = 2166136261U;  // FNV-1a
  for (char c : host.bytes()) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash == 0 ? 1 : hash;
}

// Of a claim, without the number of its section.
uint64_t claim_hash(std::string_view key) noexcept {
  uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash << 16;
}

}  // namespace

std::unique_ptr<ConnectionCounts> ConnectionCounts::make_private() {
  void* memory =
      mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  GODWIT_ASSERT(memory != MAP_FAILED);
  return std::unique_ptr<ConnectionCounts>(
      new ConnectionCounts(static_cast<Table*>(memory), -1, 0));
}

Result<std::unique_ptr<ConnectionCounts>> ConnectionCounts::make_shared() {
  const int fd = memfd_create("godwit-counts", MFD_CLOEXEC);
  if (fd < 0) return error_from_errno(errno, "memfd_create");
  if (ftruncate(fd, sizeof(Table)) != 0) {
    Error error = error_from_errno(errno, "ftruncate");
    close(fd);
    return error;
  }
  return attach(fd, 0);
}

Result<std::unique_ptr<ConnectionCounts>> ConnectionCounts::attach(int descriptor, size_t section) {
  void* memory = mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return error_from_errno(errno, "map the connection counts");
  return std::unique_ptr<ConnectionCounts>(
      new ConnectionCounts(static_cast<Table*>(memory), descriptor, section % kCountSections));
}

ConnectionCounts::~ConnectionCounts() {
  munmap(table_, sizeof(Table));
  if (descriptor_ >= 0) close(descriptor_);
}

size_t ConnectionCounts::find(const Section& section, uint32_t hash) noexcept {
  for (size_t i = 0; i < kProbeSlots; ++i) {
    const size_t slot = (hash + i) % kHostSlots;
    if (section.hashes[slot].load(std::memory_order_relaxed) != hash) continue;
    if (section.counts[slot].load(std::memory_order_relaxed) > 0) return slot;
  }
  return kNoSlot;
}

void ConnectionCounts::opened(const IpAddress& host) noexcept {
  Section& section = table_->sections[section_];
  table_->totals[section_].fetch_add(1, std::memory_order_relaxed);
  const uint32_t hash = hash_of(host);
  size_t slot = find(section, hash);
  for (size_t i = 0; i < kProbeSlots && slot == kNoSlot; ++i) {
    const size_t candidate = (hash + i) % kHostSlots;
    if (section.counts[candidate].load(std::memory_order_relaxed) != 0) continue;
    slot = candidate;
    section.hashes[slot].store(hash, std::memory_order_relaxed);
  }
  if (slot != kNoSlot) section.counts[slot].fetch_add(1, std::memory_order_relaxed);
}

void ConnectionCounts::closed(const IpAddress& host) noexcept {
  Section& section = table_->sections[section_];
  table_->totals[section_].fetch_sub(1, std::memory_order_relaxed);
  const size_t slot = find(section, hash_of(host));
  if (slot != kNoSlot) section.counts[slot].fetch_sub(1, std::memory_order_relaxed);
}

uint64_t ConnectionCounts::total() const noexcept {
  uint64_t sum = 0;
  for (const std::atomic<uint32_t>& total : table_->totals)
    sum += total.load(std::memory_order_relaxed);
  return sum;
}

uint64_t ConnectionCounts::of(const IpAddress& host) const noexcept {
  const uint32_t hash = hash_of(host);
  uint64_t sum = 0;
  for (size_t i = 0; i < kCountSections; ++i) {
    if (table_->totals[i].load(std::memory_order_relaxed) == 0) continue;
    const Section& section = table_->sections[i];
    const size_t slot = find(section, hash);
    if (slot != kNoSlot) sum += section.counts[slot].load(std::memory_order_relaxed);
  }
  return sum;
}

void ConnectionCounts::clear(size_t number) noexcept {
  Section& section = table_->sections[number % kCountSections];
  table_->totals[number % kCountSections].store(0, std::memory_order_relaxed);
  for (std::atomic<uint32_t>& count : section.counts) count.store(0, std::memory_order_relaxed);
  for (std::atomic<uint64_t>& claim : table_->claims) {
    uint64_t known = claim.load(std::memory_order_relaxed);
    const bool is_its = (known & 0xffff) == number % kCountSections + 1;
    if (is_its) claim.compare_exchange_strong(known, 0, std::memory_order_relaxed);
  }
}

// Everybody looks for a free place from the same one on, so that of two who come at once one fails.
bool ConnectionCounts::claim(std::string_view key) noexcept {
  const uint64_t hash = claim_hash(key);
  const uint64_t mine = hash | (section_ + 1);
  for (const std::atomic<uint64_t>& claim : table_->claims) {
    const uint64_t known = claim.load(std::memory_order_relaxed);
    if (known != 0 && known >> 16 == hash >> 16) return false;
  }
  for (size_t i = 0; i < kClaimSlots; ++i) {
    uint64_t known = 0;
    std::atomic<uint64_t>& claim = table_->claims[((hash >> 16) + i) % kClaimSlots];
    if (claim.compare_exchange_strong(known, mine, std::memory_order_acq_rel)) return true;
    if (known >> 16 == hash >> 16) return false;
  }
  return false;
}

void ConnectionCounts::release(std::string_view key) noexcept {
  for (std::atomic<uint64_t>& claim : table_->claims) {
    uint64_t known = claim_hash(key) | (section_ + 1);
    if (claim.compare_exchange_strong(known, 0, std::memory_order_acq_rel)) return;
  }
}

void ConnectionCounts::set_aside(size_t worker, bool is_aside) noexcept {
  const uint64_t bit = uint64_t{1} << worker % kWorkersMax;
  if (is_aside) {
    table_->aside.fetch_or(bit, std::memory_order_release);
  } else {
    table_->aside.fetch_and(~bit, std::memory_order_release);
  }
  table_->aside_changes.fetch_add(1, std::memory_order_release);
}

}  // namespace godwit::daemon
