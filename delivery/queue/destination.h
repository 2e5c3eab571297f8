// Destinations: where remote deliveries wait for a connection. One Destination for each list of
// hosts and transport; it owns its connections, reuses them across messages, and lets their number
// follow success and failure (the feedback of PEERS.md 2c). DestinationTable owns them all.
#pragma once

#include "core/io/scope.h"
#include "delivery/queue/delivery_config.h"
#include "delivery/transport/events.h"
#include "delivery/transport/smtp_connection.h"

#include <coroutine>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::delivery {

class Destination;

// Makes what is sent where header lines speak of the connection ($tls_out_cipher, $host_address):
// once for each connection that a delivery is tried on.
class ContentMaker {
 public:
  virtual ~ContentMaker() = default;
  virtual Task<Result<MessageContent>> make(const RemoteInfo& remote) = 0;
};

struct LocalScene;

// What the message has to say of a host, where options are expressions of both.
class MessageSide {
 public:
  virtual ~MessageSide() = default;
  // What hints about the host are kept under (retry_include_ip_address).
  virtual Task<Result<std::string>> host_key(const std::string& host_name, const Endpoint& to) = 0;
  // What a connection to the host is opened with.
  virtual std::unique_ptr<LocalScene> scene(const std::string& host_name, const Endpoint& to) = 0;
};

// One transaction to be done: some recipients of one message. Owned by the waiting coroutine.
struct RemoteDelivery {
  RemoteDelivery(const Envelope& e, const MessageContent& c, std::string_view return_path,
                 std::string_view id)
      : envelope(e), content(c), sender(return_path), message_id(id) {}

  const Envelope& envelope;
  const MessageContent& content;
  std::string_view sender;  // return path
  std::string_view message_id;
  std::vector<smtp::ClientRecipient> recipients;
  WallTime received;
  std::string_view in_doubt_host;       // tried first; empty: none
  uint16_t port = 0;                    // of hosts that have none; 0: the transport's
  bool forced = false;                  // whatever the hints say
  EventSink* events = nullptr;          // null: nobody wants to know what happens
  ContentMaker* maker = nullptr;        // null: `content` is what is sent
  MessageSide* side = nullptr;          // null: no option of the transport asks the message
  std::string sharing;                  // only deliveries with the same one share connections
  bool is_retry = false;                // the message was tried before
  std::optional<int> utf8_downconvert;  // 1, 0 or -1; nothing: as the message says
  SharedHostList hosts;                 // those that it was given to the table with

  std::vector<DeliveryOutcome> outcomes;  // the result: one a recipient
  std::vector<Endpoint> seen;             // hosts that had their turn, also those that must wait
  int64_t tries = 0;                      // how many of them were tried

  // Used by the destination.
  std::optional<MessageContent> made;  // by `maker`, for the connection in use
  WallTime queued;
  bool is_finished = false;
  RemoteDelivery* next = nullptr;
  std::coroutine_handle<> waiter;
};

class DestinationTable {
 public:
  DestinationTable(const DeliveryConfig& config, const DeliveryServices& services);
  ~DestinationTable();

  // Completes when every recipient has its outcome. `delivery` stays where it is until then.
  struct Awaiter {
    Destination& destination;
    RemoteDelivery& delivery;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const noexcept {}
  };
  [[nodiscard]] Awaiter deliver(const SmtpTransport& transport, const SharedHostList& hosts,
                                RemoteDelivery& delivery);

  // No new connections; what waits is deferred; idle connections close.
  void stop();
  // Ends connections under way.
  void abort();
  Task<void> join();

  size_t size() const noexcept { return destinations_.size(); }
  size_t connections() const noexcept { return connections_; }
  uint64_t in_doubt_count() const noexcept { return in_doubt_count_; }

 private:
  friend class Destination;
  void forget_unused(Destination& destination);
  Task<void> stop_all();
  Task<void> abort_all();
  Connector& connector() noexcept {
    return services_.connector != nullptr ? *services_.connector : sockets_;
  }

  const DeliveryConfig& config_;
  DeliveryServices services_;
  SocketConnector sockets_;
  retry::RetryKeeper keeper_;
  Scope scope_;
  std::map<std::string, std::unique_ptr<Destination>, std::less<>> destinations_;
  size_t connections_ = 0;
  uint64_t in_doubt_count_ = 0;
  bool stopping_ = false;
};

// The key of hints about one address of a host (EXIM.md 2.8): where it is reached from an address
// that `interface` names, they are about that way only. On a fiber.
Result<std::string> host_retry_key(const SmtpTransport& transport, const std::string& host_name,
                                   const Endpoint& to, acl::EvalContext& evaluation);
// Without `interface`, and where nobody can say more of retry_include_ip_address than its default.
std::string usual_retry_key(const SmtpTransport& transport, const std::string& host_name,
                            const Endpoint& to);

}  // namespace godwit::delivery
