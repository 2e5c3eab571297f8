// The lmtp transport: LMTP (RFC 2033) to a unix-domain socket or to a command. One transaction a
// connection; each recipient has an answer of its own. EXIM.md, appendix.
#pragma once

#include "core/io/uv_stream.h"
#include "delivery/transport/transport.h"
#include "protocol/smtp/client_engine.h"

#include <memory>
#include <string>
#include <vector>

namespace godwit::delivery {

struct LmtpOptions {
  config::ExpandText batch_id;
  int64_t batch_max = 1;
  config::ExpandText command;
  bool ignore_quota = false;
  config::ExpandText socket;
  Seconds timeout;
};

class LmtpTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return false; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;
  Task<std::vector<DeliveryOutcome>> deliver_batch(
      Loop& loop, LocalDelivery delivery,
      std::vector<smtp::ClientRecipient> recipients) const override;

 private:
  friend std::unique_ptr<Transport> make_lmtp_transport(const config::Instance& instance,
                                                        const TransportCompileContext& context);
  // What evaluation gives, on a fiber.
  struct Plan {
    std::string socket;
    std::vector<std::string> arguments;
    std::string problem;  // not empty: nothing is tried
  };
  Plan plan(const LocalDelivery& delivery) const;
  void plan_command(const LocalDelivery& delivery, Plan& out) const;

  LmtpOptions own_;
  acl::Expansion socket_;
  std::vector<CommandWord> words_;
};

}  // namespace godwit::delivery
