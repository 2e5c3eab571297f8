// ActiveMessage: a message whose envelope is in memory since it is being tried.
#pragma once

#include "delivery/queue/delivery_config.h"
#include "delivery/queue/entry.h"

#include <memory>
#include <string>
#include <vector>

namespace godwit::delivery {

struct ActiveMessage {
  ActiveMessage(QueueEntry& owner, spool::Store& store, uint64_t body_bytes)
      : entry(owner), content(store, owner.ref, body_bytes) {}

  QueueEntry& entry;
  Envelope envelope;
  MessageContent content;
  uint64_t fresh_bytes = 0;  // counted against kFreshBytesMax

  // As changed by an operator.
  std::string_view sender() const noexcept {
    if (entry.progress == nullptr || entry.progress->new_sender.empty()) return envelope.sender;
    return entry.progress->new_sender == "<>" ? std::string_view()
                                              : std::string_view(entry.progress->new_sender);
  }
};

}  // namespace godwit::delivery
