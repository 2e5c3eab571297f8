// Blocks of memory that come and go with every command and message: coroutine frames, pieces of a
// message, what was read of a connection. Each thread keeps a few of each size and hands them out
// again; the rest, and what is larger, is malloc's. Most of them are too large for malloc's own
// cache, where a block costs ten times as much.
// Lifetime: what a thread keeps stays until the process ends. A block may be given back by another
// thread than the one that took it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace godwit {

class BlockPool {
 public:
  static constexpr size_t kStepBytes = 64;
  // The largest block that is kept, and of each size how many. One of each size would be half a
  // MiB; what is used are about twenty sizes.
  static constexpr size_t kKeptBytesMax = 8192;
  static constexpr uint8_t kKeptMax = 32;

  // One that keeps nothing lets AddressSanitizer see each use after free.
  constexpr explicit BlockPool(bool keeps) noexcept : keeps_(keeps) {}
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // At least `bytes` bytes, aligned as operator new does it.
  void* take(size_t bytes) {
    const size_t step = step_of(bytes);
    const size_t rounded = step * kStepBytes;
    if (step >= kSteps || kept_[step].first == nullptr) return ::operator new(rounded);
    Kept& kept = kept_[step];
    --kept.count;
    return std::exchange(kept.first, kept.first->next);
  }

  // `bytes` as it was asked for.
  void give(void* block, size_t bytes) noexcept {
    const size_t step = step_of(bytes);
    if (step >= kSteps || !keeps_ || kept_[step].count >= kKeptMax) {
      ::operator delete(block);
      return;
    }
    Kept& kept = kept_[step];
    kept.first = new (block) Free{kept.first};
    ++kept.count;
  }

  // Gives back what is kept.
  void clear() noexcept {
    for (Kept& kept : kept_) {
      while (kept.first != nullptr) ::operator delete(std::exchange(kept.first, kept.first->next));
      kept.count = 0;
    }
  }

  // This thread's.
  static BlockPool& mine() noexcept { return mine_; }

 private:
  struct Free {
    Free* next;
  };
  struct Kept {
    Free* first = nullptr;
    uint8_t count = 0;
  };
  static constexpr size_t kSteps = kKeptBytesMax / kStepBytes + 1;

  static constexpr size_t step_of(size_t bytes) noexcept {
    return bytes == 0 ? 1 : (bytes + kStepBytes - 1) / kStepBytes;
  }

  static constinit thread_local BlockPool mine_;

  const bool keeps_;
  std::array<Kept, kSteps> kept_{};
};

// Base of a coroutine's promise: its frame comes from the pool.
struct PooledFrame {
  static void* operator new(size_t bytes) { return BlockPool::mine().take(bytes); }
  static void operator delete(void* frame, size_t bytes) noexcept {
    BlockPool::mine().give(frame, bytes);
  }
};

// Bytes from the pool, not set to anything. Moved, never copied.
class PooledBytes {
 public:
  PooledBytes() = default;
  explicit PooledBytes(size_t capacity)
      : data_(static_cast<char*>(BlockPool::mine().take(capacity))), capacity_(capacity) {}
  PooledBytes(PooledBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  PooledBytes& operator=(PooledBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~PooledBytes() {
    if (data_ != nullptr) BlockPool::mine().give(data_, capacity_);
  }

  char* data() const noexcept { return data_; }
  size_t capacity() const noexcept { return capacity_; }

 private:
  char* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace godwit
