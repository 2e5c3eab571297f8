// Destination: one list of hosts and one transport, the deliveries that wait for them, and the
// connections that take those. Private to delivery/queue. Everything on the loop's thread.
// destination.cc is the queue and the life of a connection, destination_hosts.cc the trying of
// hosts, destination_open.cc the opening of a connection.
#pragma once

#include "delivery/queue/destination.h"
#include "delivery/queue/host_claim.h"
#include "delivery/queue/host_tries.h"
#include "delivery/transport/smtp_opener.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::delivery {

class Destination {
 public:
  // `port`: of hosts that have none of their own.
  Destination(DestinationTable& table, std::string key, const SmtpTransport& transport,
              SharedHostList hosts, uint16_t port);

  const std::string& key() const noexcept { return key_; }
  void add(RemoteDelivery& delivery);
  void set_hosts(SharedHostList hosts) { hosts_ = std::move(hosts); }
  void wake_idle();
  void abort();
  bool is_unused() const noexcept { return connections_ == 0 && waiting_ == 0 && !dispatching_; }
  DestinationTable& table() noexcept { return table_; }
  WallTime now() const { return table_.services_.loop.clock().wall(); }

 private:
  struct Idle;
  using Outcomes = std::vector<DeliveryOutcome>;

  // --- The queue
  void dispatch();
  void wake(Idle* idle);
  void nudge_busy();
  RemoteDelivery* take(const SmtpConnection* connection);
  static bool is_for(const SmtpConnection* connection, const RemoteDelivery& delivery);
  void put_back(RemoteDelivery& delivery);
  void finish(RemoteDelivery& delivery);
  void finish_with(RemoteDelivery& delivery, const DeliveryOutcome& outcome);
  void defer_waiting();
  Task<void> defer_in_turns();
  void pop_first();
  void grow_window();
  void shrink_window();

  // --- A connection
  Task<void> run();
  Task<void> drop(std::unique_ptr<SmtpConnection>& connection);
  Task<void> serve_open(RemoteDelivery& first, SmtpConnection& connection);
  bool may_add(const SmtpConnection& connection) const;
  Task<bool> make_content(RemoteDelivery& delivery, const SmtpConnection& connection);
  size_t connections_max() const noexcept;
  Task<void> settle_on(RemoteDelivery& delivery, Outcomes outcomes,
                       const SmtpConnection& connection);
  void settle(RemoteDelivery& delivery, Outcomes outcomes, const Candidate& candidate,
              const std::string& key);

  // --- Hosts
  Task<void> serve_by_new_connection(RemoteDelivery& delivery,
                                     std::unique_ptr<SmtpConnection>& connection);
  Task<Result<std::string>> host_key(const RemoteDelivery& delivery,
                                     const Candidate& candidate) const;
  Task<std::optional<DeliveryOutcome>> try_host(const Candidate& candidate, const std::string& key,
                                                RemoteDelivery& delivery,
                                                std::unique_ptr<SmtpConnection>& connection);
  const RouteHost& host_named(std::string_view name) const;
  // What the delivery's own list says: hosts_ may be that of another domain with the same hosts.
  static const std::vector<std::string>& domains_of(const RemoteDelivery& delivery,
                                                    std::string_view host_name);
  void log_host_failure(const RemoteDelivery& delivery, const DeliveryOutcome& failure);
  // Points into `hosts`.
  std::vector<Candidate> order_of(const HostList& hosts, const RemoteDelivery& delivery);
  void shuffle_within_preference(std::vector<Candidate>& candidates);

  // --- Opening
  SmtpOpener opener() const;
  Task<bool> is_serialized(const SmtpHost& host, acl::EvalContext* message) const;
  Task<std::optional<DeliveryOutcome>> open(const Candidate& candidate,
                                            const RemoteDelivery& delivery, bool may_believe,
                                            std::unique_ptr<SmtpConnection>& connection);
  // `message`: as of SmtpOpener::prepare().
  Task<std::optional<DeliveryOutcome>> open_as(const SmtpHost& host, SmtpOpening opening,
                                               acl::EvalContext* message,
                                               std::unique_ptr<SmtpConnection>& connection,
                                               std::string& tls_problem);

  SmtpJob job_of(const RemoteDelivery& delivery) const {
    const MessageContent& content = delivery.made ? *delivery.made : delivery.content;
    return {delivery.envelope, content, delivery.sender, delivery.recipients,
            delivery.utf8_downconvert};
  }

  std::string key_;
  DestinationTable& table_;
  const SmtpTransport& transport_;
  SharedHostList hosts_;
  uint16_t port_;
  RemoteDelivery* first_ = nullptr;
  RemoteDelivery* last_ = nullptr;
  size_t waiting_ = 0;
  size_t connections_ = 0;
  size_t starting_ = 0;  // connections that have not yet finished their first delivery
  std::vector<Idle*> idle_;
  std::vector<SmtpConnection*> open_;
  std::map<const SmtpConnection*, std::unique_ptr<HostClaim>> claims_;
  std::vector<SmtpConnection*> busy_;  // those that wait for answers and may be nudged
  double window_;
  bool dispatching_ = false;
  bool deferring_ = false;
};

}  // namespace godwit::delivery
