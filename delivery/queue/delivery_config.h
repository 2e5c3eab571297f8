// DeliveryConfig: everything of a configuration that delivery reads; immutable, one for the life of
// a worker. DeliveryServices: the collaborators that outlive the queue.
#pragma once

#include "acl/policy/policy.h"
#include "core/io/connector.h"
#include "core/io/loop.h"
#include "core/io/machine.h"
#include "core/log/log.h"
#include "core/spool/store.h"
#include "delivery/queue/errors_copy.h"
#include "delivery/retry/keeper.h"
#include "delivery/rewrite/rewrite.h"
#include "delivery/route/router.h"
#include "delivery/transport/dane_policy.h"
#include "delivery/transport/transport.h"
#include "protocol/message/message_id.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace godwit::tls {
class ContextCache;
class SessionCache;
}  // namespace godwit::tls

namespace godwit::delivery {

struct DeliveryConfig {
  std::shared_ptr<const acl::CompiledPolicy> policy;
  std::shared_ptr<const TransportSet> transports;
  std::shared_ptr<const rewrite::RewriteRules> rewrite;
  std::shared_ptr<const RouterChain> routers;
  std::shared_ptr<const retry::RetryRules> retry;
  bool reads_body = false;  // something in the file asks for $message_body or $message_body_end
  std::vector<ErrorsCopy> errors_copy;
  std::vector<uint32_t> never_users;  // as whom no local delivery runs
  // remote_sort_domains, each item a list.
  std::vector<std::shared_ptr<const acl::ListPattern>> remote_order;

  const config::MainOptions& options() const noexcept { return policy->options(); }
};

// Compiles what `policy` leaves open. Never null; good for use only without errors in
// `diagnostics`.
std::shared_ptr<const DeliveryConfig> compile_delivery(
    const config::ConfigDocument& document, std::shared_ptr<const acl::CompiledPolicy> policy,
    config::Diagnostics& diagnostics);

// Who follows messages through their deliveries, for -d and --explain.
class AttemptTraces {
 public:
  virtual ~AttemptTraces() = default;
  // Null: this message is not followed. The trace lives until end().
  virtual acl::Trace* begin(const std::string& id) = 0;
  virtual void end(const std::string& id) = 0;
};

struct DeliveryServices {
  Loop& loop;
  spool::Store* store;  // null until the store is open; Queue::attach() sets it
  Log& log;
  HostFinder& hosts;
  retry::HintStore& hints;
  Random& random;
  message::MessageIdGenerator& ids;
  const acl::ServerFacts& server;
  tls::ContextCache& tls;
  tls::SessionCache& tls_sessions;
  DaneFinder* dane = nullptr;                 // null: nobody asks for TLSA records
  const acl::Services* evaluators = nullptr;  // null: nothing can be asked
  Connector* connector = nullptr;             // null: TCP
  Machine* machine = nullptr;                 // null: never overloaded
  AttemptTraces* traces = nullptr;            // null: nobody follows messages
  std::string login = {};  // who our own messages come from; empty: whose process this is
};

}  // namespace godwit::delivery
