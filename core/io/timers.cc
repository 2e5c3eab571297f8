#include "core/io/timers.h"

#include "core/base/assert.h"

namespace godwit {

TimerNode::~TimerNode() {
  if (timers_ != nullptr && index_ != kNotInHeap) timers_->remove(*this);
}

Timers::~Timers() {
  for (TimerNode* node : heap_) {
    node->timers_ = nullptr;
    node->index_ = TimerNode::kNotInHeap;
  }
}

void Timers::set(TimerNode& node, Instant deadline) {
  GODWIT_ASSERT(node.timers_ == nullptr || node.timers_ == this);
  node.timers_ = this;
  node.deadline_ = deadline;
  if (node.index_ != TimerNode::kNotInHeap) {
    if (deadline >= node.key_) return;  // put right when it comes up
    node.key_ = deadline;
    sift_up(node.index_);
  } else {
    node.key_ = deadline;
    heap_.push_back(&node);
    node.index_ = heap_.size() - 1;
    sift_up(node.index_);
  }
  if (heap_.front() == &node && on_earlier_ != nullptr) on_earlier_(on_earlier_self_);
}

void Timers::run_due() {
  const Instant now = clock_.now();
  while (!heap_.empty() && heap_.front()->key_ <= now) {
    TimerNode& node = *heap_.front();
    if (node.deadline_ > now) {
      if (node.deadline_ == Instant::never()) {
        remove(node);
      } else {
        node.key_ = node.deadline_;
        sift_down(0);
      }
      continue;
    }
    remove(node);
    node.deadline_ = Instant::never();
    node.on_fire_(node.self_);
    if (is_late_ != nullptr && is_late_(is_late_self_)) return;
  }
}

void Timers::remove(TimerNode& node) noexcept {
  const size_t index = node.index_;
  GODWIT_ASSERT(index < heap_.size() && heap_[index] == &node);
  TimerNode* last = heap_.back();
  heap_.pop_back();
  node.index_ = TimerNode::kNotInHeap;
  if (last == &node) return;
  place(index, last);
  sift_up(index);
  sift_down(last->index_);
}

void Timers::place(size_t index, TimerNode* node) noexcept {
  heap_[index] = node;
  node->index_ = index;
}

void Timers::sift_up(size_t index) noexcept {
  TimerNode* node = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent]->key_ <= node->key_) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, node);
}

void Timers::sift_down(size_t index) noexcept {
  TimerNode* node = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->key_ < heap_[child]->key_) ++child;
    if (node->key_ <= heap_[child]->key_) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, node);
}

}  // namespace godwit
