// EventSink: where a connection tells what happens to it, so that the operator's event actions run.
// Whoever owns the delivery implements it, since an action may ask about message and recipients.
#pragma once

#include "acl/expand/context.h"
#include "core/io/task.h"
#include "delivery/transport/outcome.h"

#include <string>

namespace godwit::delivery {

class EventSink {
 public:
  virtual ~EventSink() = default;
  // What the action said. For tcp:connect and smtp:connect any text forbids to go on.
  virtual Task<std::string> raise(acl::EventFacts event, const RemoteInfo& remote) = 0;
};

}  // namespace godwit::delivery
