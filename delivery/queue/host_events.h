// HostEvents: the event sink of a connection that no delivery is using any more. Actions see host
// and transport, and no message.
#pragma once

#include "delivery/queue/delivery_config.h"
#include "delivery/transport/events.h"

#include <string>

namespace godwit::delivery {

class HostEvents final : public EventSink {
 public:
  HostEvents(const Transport& transport, const DeliveryServices& services)
      : transport_(transport), services_(services) {}

  Task<std::string> raise(acl::EventFacts event, const RemoteInfo& remote) override;

 private:
  const Transport& transport_;
  const DeliveryServices& services_;
};

}  // namespace godwit::delivery
