// Later: work that waits for the next turn of the loop because this one has taken long enough
// (Loop::is_late). First come, first served; what finds the next turn late as well waits on.
// Owned by whoever waits; leaves the list when it is destroyed.
#pragma once

#include <cstdint>

namespace godwit {

class LaterList;

class Later {
 public:
  Later(void (*run)(void* self) noexcept, void* self) noexcept : run_(run), self_(self) {}
  Later(const Later&) = delete;
  Later& operator=(const Later&) = delete;
  ~Later() { cancel(); }

  bool is_pending() const noexcept { return list_ != nullptr; }
  inline void cancel() noexcept;

 private:
  friend class LaterList;
  void (*run_)(void* self) noexcept;
  void* self_;
  LaterList* list_ = nullptr;
  Later* previous_ = nullptr;
  Later* next_ = nullptr;
  uint32_t round_ = 0;  // of the list, when it was added
};

class LaterList {
 public:
  LaterList() = default;
  LaterList(const LaterList&) = delete;
  LaterList& operator=(const LaterList&) = delete;
  ~LaterList() {
    while (first_ != nullptr) first_->cancel();
  }

  bool empty() const noexcept { return first_ == nullptr; }
  // One that is in a list stays where it is.
  void add(Later& later) noexcept {
    if (later.list_ != nullptr) return;
    later.list_ = this;
    later.round_ = round_;
    later.previous_ = last_;
    later.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &later;
    last_ = &later;
  }
  // Runs those that are in the list now, until `is_late` says so; the first one always.
  template <class IsLate>
  void run(const IsLate& is_late) {
    ++round_;
    while (first_ != nullptr && first_->round_ != round_) {
      Later* const later = first_;
      later->cancel();
      later->run_(later->self_);
      if (is_late()) return;
    }
  }

 private:
  friend class Later;
  Later* first_ = nullptr;
  Later* last_ = nullptr;
  uint32_t round_ = 0;  // calls of run()
};

inline void Later::cancel() noexcept {
  if (list_ == nullptr) return;
  (previous_ == nullptr ? list_->first_ : previous_->next_) = next_;
  (next_ == nullptr ? list_->last_ : next_->previous_) = previous_;
  list_ = nullptr;
}

}  // namespace godwit
