// What an SMTP session makes of a recipient, as the queue wants to know it: classes, numbers and
// texts of replies and failures. Functions without state. EXIM.md 2.8.
#pragma once

#include "core/base/error.h"
#include "delivery/transport/outcome.h"
#include "protocol/smtp/client_transaction.h"

#include <memory>
#include <string>
#include <string_view>

namespace godwit::delivery {

// Who was talked to.
struct SmtpPeer {
  std::shared_ptr<const RemoteInfo> remote;  // never null
  bool is_lmtp = false;
};

// What retry rules call a refusal, from the command that was refused, and its number.
retry::RetryError retry_error_of(const smtp::Outcome& outcome);
int error_number_of(const smtp::Outcome& outcome, retry::RetryError error);

DeliveryOutcome outcome_of(const SmtpPeer& peer, const smtp::Outcome& from);
// There is no connection. `system_error`: the errno value, where the system said so; 0: none.
DeliveryOutcome connect_failure(const SmtpPeer& peer, const Error& error, int system_error = 0);
// `error_number`: kErrorTlsRequired or kErrorTlsFailure.
DeliveryOutcome tls_failure(const SmtpPeer& peer, int error_number, std::string text);

// How logs name a host: "name [address]".
std::string host_text(const RemoteInfo& remote);
// A reply of several lines on one: Exim's logs show "\n" between them.
std::string one_line(std::string_view text);

}  // namespace godwit::delivery
