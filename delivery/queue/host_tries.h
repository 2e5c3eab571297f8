// HostTries: one remote delivery and the hosts it may go to, as retry hints see them: which must
// wait, what is remembered of a failure, and what becomes of the delivery when no host took it.
// EXIM.md 2.8; the manual's chapter on retries.
#pragma once

#include "delivery/queue/destination.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

// One address of one host, in the order of trying.
struct Candidate {
  const RouteHost* host;
  Endpoint endpoint;
};

// What a failure of that host is remembered by. `key` and `delivery` outlive the result.
retry::RetryKeeper::Failed host_failure_of(const RemoteDelivery& delivery,
                                           const Candidate& candidate, std::string_view key,
                                           const DeliveryOutcome& failure, WallTime now);

// True where no recipient got an answer that is about itself, and none is in doubt.
bool failed_as_a_host(const std::vector<DeliveryOutcome>& outcomes);

// After a session that worked: the host is well, and takes the message where it was refused before.
void remember_success(retry::RetryKeeper& keeper, const std::string& key,
                      const RemoteDelivery& delivery, const std::vector<DeliveryOutcome>& outcomes);

// True where a host of the list has failed lately: then one connection finds out how things are.
// `default_port`: of hosts that have none of their own.
bool has_failed_lately(retry::RetryKeeper& keeper, const SmtpTransport& transport,
                       const HostList& hosts, uint16_t default_port, WallTime now);

DeliveryOutcome retry_not_reached(std::string text, WallTime next_try);

class HostTries {
 public:
  HostTries(retry::RetryKeeper& keeper, const SmtpTransport& transport, RemoteDelivery& delivery)
      : keeper_(keeper), transport_(transport), delivery_(delivery) {}

  // The hard limit also counts those whose retry time has not come.
  bool may_try_more() const noexcept {
    const SmtpOptions& limits = transport_.smtp();
    return delivery_.tries < limits.hosts_max_try &&
           static_cast<int64_t>(delivery_.seen.size()) < limits.hosts_max_try_hardlimit;
  }
  // The retry time of the host, or of the message there, has not come.
  bool must_wait(const Candidate& candidate, const std::string& key, WallTime now);
  // It is not to be tried at all, and nothing is remembered of it.
  void skip(int error_number, std::string why);
  // It serves another connection, and may have no second one (serialize_hosts).
  void busy(DeliveryOutcome outcome, WallTime now);
  void begin(WallTime now) noexcept {
    ++delivery_.tries;
    began_ = now;
  }
  // This try leaves hosts_max_try as it is.
  void do_not_count() noexcept { --delivery_.tries; }
  void failed(const Candidate& candidate, const std::string& key, DeliveryOutcome failure,
              WallTime now);
  // The last host of all was tried: where it would not even begin a session, that is final.
  void fail_where_refused();
  // No host took it: every recipient waits or fails.
  DeliveryOutcome outcome(WallTime now) &&;

 private:
  void add(const retry::RetryKeeper::Verdict& verdict) noexcept;

  retry::RetryKeeper& keeper_;
  const SmtpTransport& transport_;
  RemoteDelivery& delivery_;
  std::optional<DeliveryOutcome> last_;
  WallTime began_;
  WallTime next_try_{INT64_MAX};
  WallTime expires_;
  WallTime retry_until_;
  bool all_expired_ = true;
};

}  // namespace godwit::delivery
