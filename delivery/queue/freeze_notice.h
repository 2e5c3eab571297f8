// freeze_tell: mail to whoever looks after this host when a message is frozen. Never about a report
// of ours, so that reports of reports cannot go round.
#pragma once

#include "core/io/task.h"
#include "delivery/queue/delivery_config.h"

#include <string>

namespace godwit::delivery {

struct FreezeNotice {
  std::string id;      // of the frozen message
  std::string sender;  // empty: of a bounce from elsewhere
  WallTime at;
};

// Sends nothing where freeze_tell is not set. A message that cannot be written is logged.
Task<void> tell_frozen(MessageInjector& injector, const DeliveryConfig& config,
                       const DeliveryServices& services, FreezeNotice notice);

}  // namespace godwit::delivery
