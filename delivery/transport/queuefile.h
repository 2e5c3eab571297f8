// The queuefile transport: the message as a pair of Exim's spool files in a directory, for programs
// that scan mail and put it back by moving the pair into a spool's input folder. EXIM.md 1.14,
// 1.19. One copy a message, whatever the number of recipients.
#pragma once

#include "delivery/transport/transport.h"

#include <string>

namespace godwit::delivery {

struct QueuefileOptions {
  config::ExpandText directory;
};

class QueuefileTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return false; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;

 private:
  friend std::unique_ptr<Transport> make_queuefile_transport(
      const config::Instance& instance, const TransportCompileContext& context);

  acl::Expansion directory_;
};

}  // namespace godwit::delivery
