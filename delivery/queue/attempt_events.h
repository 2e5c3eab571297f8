// BatchEvents: the event sink of the connections that one batch of an attempt uses.
#pragma once

#include "delivery/queue/attempt.h"
#include "delivery/transport/events.h"

#include <string>

namespace godwit::delivery {

class BatchEvents final : public EventSink {
 public:
  // Both outlive it.
  BatchEvents(DeliveryAttempt& attempt, const DeliveryAttempt::Batch& batch)
      : attempt_(attempt), batch_(batch) {}
  Task<std::string> raise(acl::EventFacts event, const RemoteInfo& remote) override;

 private:
  DeliveryAttempt& attempt_;
  const DeliveryAttempt::Batch& batch_;
};

}  // namespace godwit::delivery
