// HostEvents: the event sink of a connection that no delivery is using any more. Actions see host
// and transport, and no message.
#pragma once

#include "delivery/queue/delivery_config.h"
#include "delivery/transport/events.h"

#include <memory>
#include <string>

namespace godwit::delivery {

// Tells `sink`, where there is one; what an action says has no effect.
Task<void> tell(EventSink* sink, std::string name, std::shared_ptr<const RemoteInfo> remote,
                std::string data = {}, int error_number = 0);

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
