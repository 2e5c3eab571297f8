// DeliveryAttempt: one pass of a message through routers and transports. Gathers the recipients
// that are left, routes them, groups them into transactions, delivers, and settles what comes of
// it: progress in the spool, log lines, retry times, reports.
#pragma once

#include "core/io/scope.h"
#include "delivery/queue/active_message.h"
#include "delivery/queue/queue.h"

#include <string>
#include <vector>

namespace godwit::delivery {

struct DeliveryLineFacts;

class DeliveryAttempt {
 public:
  DeliveryAttempt(Queue& queue, ActiveMessage& message);

  using Verdict = AttemptVerdict;
  Task<Verdict> run();
  // Gives up: every recipient that is left fails with `why` (-Mg, timeout_frozen_after).
  Task<Verdict> fail_all(std::string why);

 private:
  enum class State : uint8_t { pending, delivered, deferred, failed };
  struct Recipient {
    uint32_t index = 0;
    std::string address;
    std::string orcpt;
    uint8_t dsn_flags = 0;
    std::string local_part;
    std::string domain;
    State state = State::pending;
    RouteResult route;
    DeliveryOutcome outcome;
    bool relays_dsn = false;  // the next hop takes care of success reports
  };
  // Recipients of one transaction.
  struct Batch {
    const Transport* transport = nullptr;
    SharedHostList hosts;
    std::string return_path;
    std::vector<size_t> members;  // indexes into recipients_
  };

  void gather();
  Task<void> route_all();
  Task<void> route(Recipient& recipient);
  bool copy_route(Recipient& recipient) const;
  Task<void> transport_hosts(Recipient& recipient);
  SharedHostList find_transport_hosts(const Recipient& recipient, const SmtpTransport& transport);
  std::vector<Batch> batches() const;
  bool fits(const Batch& batch, const Recipient& recipient) const;
  Task<void> deliver_all(std::vector<Batch> batches);
  Task<void> deliver_in_turn(std::vector<Batch>& batches, size_t& next);
  Task<void> deliver(const Batch& batch);
  Task<void> deliver_remote(const Batch& batch, const SmtpTransport& transport);
  Task<void> deliver_local(const Batch& batch);

  void settle(Recipient& recipient, DeliveryOutcome outcome, bool& is_first);
  void settle_deferral(Recipient& recipient);
  void record_done(const Batch& batch);
  void log_delivered(const Recipient& recipient, bool is_first);
  void log_deferred(const Recipient& recipient);
  void log_failed(const Recipient& recipient);
  using UndeliveredLine = std::string (*)(const DeliveryLineFacts& facts,
                                          const DeliveryOutcome& outcome,
                                          const config::LogSelectors& selectors);
  void log_undelivered(const Recipient& recipient, LogEvent event, UndeliveredLine make_line);
  std::string retry_key(const Recipient& recipient) const;

  Task<Verdict> finish();
  Task<bool> report_failures();
  Task<void> report_delay();
  Task<void> report_success();
  Task<bool> send_report(struct ReportPlan plan);
  Task<std::string> body_to_return(bool& cut);
  bool wants_failure_report(const Recipient& recipient) const noexcept;

  Queue& queue_;
  ActiveMessage& message_;
  acl::MessageFacts facts_;
  acl::ConnectionFacts connection_facts_;
  acl::AclVariables message_variables_;
  acl::AclVariables connection_variables_;
  std::vector<Recipient> recipients_;
  Scope scope_;
  WallTime started_;
  size_t unfinished_batches_ = 0;
  bool freeze_ = false;
  bool tells_json_ = false;
};

}  // namespace godwit::delivery
