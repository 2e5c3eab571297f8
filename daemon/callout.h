// Callouts: asks the hosts of an address whether they would take it, and keeps what they said as
// hints that all workers share. EXIM.md 2.5. One a loop; plain functions that wait on the current
// fiber; close() ends what is under way.
#pragma once

#include "acl/expand/services.h"
#include "core/base/random.h"
#include "core/hints/database.h"
#include "core/io/connector.h"
#include "core/io/loop.h"
#include "core/log/log.h"
#include "daemon/server_config.h"
#include "delivery/route/host_list.h"
#include "delivery/transport/smtp_opener.h"

#include <memory>
#include <set>
#include <string>

namespace godwit::daemon {

inline constexpr size_t kCalloutHostsMax = 10;  // addresses that one callout tries

struct CalloutQuestion {
  std::string address;
  // What it is to the options of the transport.
  acl::AddressFacts facts;
  std::string domain_data;
  std::string local_part_data;
  bool is_sender = false;
  acl::CalloutOptions options;
  const delivery::HostList& hosts;
  const delivery::SmtpTransport& transport;
};

// When the answer in a record of the cache was given; nothing for bytes that are no record.
std::optional<WallTime> callout_asked_at(std::string_view record);

class Callouts {
 public:
  // `dane` outlives the callouts.
  Callouts(Loop& loop, std::shared_ptr<const ServerConfig> config, delivery::DaneFinder& dane);
  Callouts(const Callouts&) = delete;
  Callouts& operator=(const Callouts&) = delete;

  // Where answers are kept from now on, and what is told of on the way.
  void open(std::unique_ptr<hints::Database> cache, Log& log);
  hints::Database& cache() noexcept { return *cache_; }
  acl::AddressVerifier::Answer ask(const CalloutQuestion& question, acl::EvalContext& context);
  // -bh: nobody is called, and every answer is yes.
  void omit() noexcept { omitted_ = true; }
  void close() noexcept;
  // What lists and expressions of transports may ask; outlives the callouts.
  void set_evaluators(const acl::Services& services) noexcept { evaluators_ = &services; }

 private:
  friend class CalloutRun;
  class NoLog final : public Log {
   public:
    void write(const LogRecord&) override {}
    bool wants_fields() const noexcept override { return false; }
  };

  delivery::SmtpOpener opener(const delivery::SmtpTransport& transport);

  Loop& loop_;
  std::shared_ptr<const ServerConfig> config_;
  std::unique_ptr<hints::Database> cache_;
  delivery::DaneFinder& dane_;
  SocketConnector sockets_;
  Random random_;
  NoLog no_log_;  // of commands that have none
  Log* log_;
  std::unique_ptr<tls::ContextCache> tls_;
  tls::SessionCache tls_sessions_;
  const acl::Services* evaluators_ = nullptr;
  std::set<delivery::SmtpConnection*> connections_;
  bool closed_ = false;
  bool omitted_ = false;
};

}  // namespace godwit::daemon
