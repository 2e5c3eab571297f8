#include "dns/lookup.h"

#include <algorithm>

namespace godwit::dns {

LookupWait::~LookupWait() {
  if (is_listed_) lookup_->remove(*this);
}

void TcpExchange::abandon() noexcept {
  lookup = nullptr;
  cancel.cancel();
  if (stream != nullptr) stream->close();
}

void Lookup::add(LookupWait& wait) noexcept {
  wait.is_listed_ = true;
  wait.previous_ = last_waiter;
  if (last_waiter != nullptr) last_waiter->next_ = &wait;
  last_waiter = &wait;
  if (first_waiter == nullptr) first_waiter = &wait;
}

void Lookup::remove(LookupWait& wait) noexcept {
  wait.is_listed_ = false;
  if (wait.previous_ != nullptr) wait.previous_->next_ = wait.next_;
  if (wait.next_ != nullptr) wait.next_->previous_ = wait.previous_;
  if (first_waiter == &wait) first_waiter = wait.next_;
  if (last_waiter == &wait) last_waiter = wait.previous_;
  wait.previous_ = wait.next_ = nullptr;
}

LookupWait* Lookup::take_waiter() noexcept {
  LookupWait* wait = first_waiter;
  if (wait != nullptr) remove(*wait);
  return wait;
}

bool Lookup::end(Exchange& exchange) {
  const bool was_latest = exchanges.back().get() == &exchange;
  std::erase_if(exchanges, [&](const auto& owned) { return owned.get() == &exchange; });
  return was_latest;
}

void Lookup::end_tcp() noexcept {
  if (tcp == nullptr) return;
  const std::shared_ptr<TcpExchange> ended = std::move(tcp);
  tcp = nullptr;
  ended->abandon();
}

void Lookup::exclude(const Upstream& upstream) noexcept {
  for (size_t i = 0; i < upstreams; ++i) {
    if (order[i] == &upstream) excluded |= 1u << i;
  }
}

bool Lookup::is_candidate(size_t index) const noexcept {
  if ((excluded >> index & 1u) != 0) return false;
  return !only_trusted || order[index]->is_trusted();
}

bool Lookup::has_candidates() const noexcept {
  for (size_t i = 0; i < upstreams; ++i) {
    if (is_candidate(i)) return true;
  }
  return false;
}

}  // namespace godwit::dns
