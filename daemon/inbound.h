// Inbound: what all SMTP sessions of a worker share: the compiled configuration with its
// expressions at hand, the spool, the queue, the log, limits and counters. It accepts connections
// and owns the sessions' scope.
#pragma once

#include "acl/expand/services.h"
#include "core/io/cancel.h"
#include "core/io/listener.h"
#include "core/io/machine.h"
#include "core/io/scope.h"
#include "daemon/connection_counts.h"
#include "daemon/from_line.h"
#include "daemon/pressure.h"
#include "daemon/server_config.h"
#include "daemon/tls_rules.h"
#include "delivery/queue/queue.h"
#include "protocol/smtp/server_engine.h"
#include "tls/context_cache.h"

#include <memory>
#include <set>
#include <string>

namespace godwit::daemon {

class ExplainKeeper;
class SmtpSession;

struct InboundServices {
  Loop& loop;
  spool::Store& store;
  delivery::Queue& queue;
  Log& log;
  message::MessageIdGenerator& ids;
  ConnectionCounts& counts;
  const acl::Services& asks;  // what ACLs and lists may ask
  tls::ContextCache& tls;
  delivery::HostFinder& hosts;
  acl::Trace* debug = nullptr;       // -d
  ExplainKeeper* explain = nullptr;  // null: nothing is sampled
};

class Inbound final : public ConnectionHandler {
 public:
  Inbound(std::shared_ptr<const ServerConfig> config, const InboundServices& services);
  ~Inbound() override;

  void on_connection(std::unique_ptr<UvStream> stream) override;
  void on_accept_error(const Error& error) override;
  void on_backlog(uint32_t waiting, const Endpoint& local) override;

  // No new messages: sessions between messages get 421, others go on until they end or until
  // abort().
  void stop();
  void abort();
  Task<void> join() { co_await scope_.join(); }
  size_t sessions() const noexcept { return sessions_.size(); }
  bool is_stopping() const noexcept { return stopping_; }

  const ServerConfig& config() const noexcept { return *config_; }
  const config::MainOptions& options() const noexcept { return config_->options(); }
  const InboundServices& services() const noexcept { return services_; }
  // False where a message of `bytes` must not be taken now.
  bool has_spool_space(uint64_t bytes) {
    const spool::StoreStats spool = services_.store.stats();
    return !spool.is_failing && pressure_.has_room(bytes, spool.reserved_bytes);
  }
  Pressure& pressure() noexcept { return pressure_; }
  // "PID-N": of no other connection that a log tells of on the same day.
  std::string next_connection_id() {
    return std::to_string(config_->facts.pid) + "-" + std::to_string(++connections_);
  }

  // Compiled main options that every session needs, looked up once.
  struct Expressions {
    const acl::Expansion* banner;
    const acl::Expansion* received_text;  // null: Exim's default text, which is built natively
    const acl::Expansion* message_size_limit;
    const acl::Expansion* receive_timeout;
    const acl::Expansion* max_per_connection;
    const acl::Expansion* max_per_host;
    const acl::ListPattern* pipelining_hosts;
    const acl::ListPattern* early_pipelining_hosts;
    const acl::ListPattern* chunking_hosts;
    const acl::ListPattern* dsn_hosts;
    const acl::ListPattern* smtputf8_hosts;
    const acl::ListPattern* limits_hosts;
    const acl::ListPattern* enhanced_status_hosts;
    const acl::ListPattern* reject_hosts;
    const acl::ListPattern* junk_helo_hosts;
    const acl::ListPattern* require_helo_hosts;
    const acl::ListPattern* nonmail_hosts;
    const acl::ListPattern* from_line_hosts;
    const acl::ListPattern* nolog_hosts;
    const acl::ListPattern* reserve_hosts;
    const acl::ListPattern* unqualified_sender_hosts;
    const acl::ListPattern* unqualified_recipient_hosts;
  };
  const Expressions& expressions() const noexcept { return expressions_; }
  // Runs a command of ETRN beside everything else; false where one of the same `key` still runs.
  // An empty key: as many as come.
  bool start_etrn(std::vector<std::string> arguments, const std::string& key);
  // The words of smtp_etrn_command.
  const std::vector<acl::Expansion>& etrn_words() const noexcept { return etrn_words_; }
  const TlsRules& tls_rules() const noexcept { return tls_rules_; }
  const FromLinePattern& from_lines() const noexcept { return from_lines_; }
  // What holds for all clients.
  const smtp::ServerLimits& limits() const noexcept { return limits_; }
  Seconds receive_timeout() const noexcept { return receive_timeout_; }

 private:
  friend class SmtpSession;
  void compile_etrn();
  Task<void> run_etrn(std::vector<std::string> arguments, std::string key);
  Task<void> serve(std::unique_ptr<UvStream> stream, Endpoint peer, Endpoint local);

  std::shared_ptr<const ServerConfig> config_;
  InboundServices services_;
  SystemMachine machine_;
  Pressure pressure_;
  Expressions expressions_;
  TlsRules tls_rules_;
  FromLinePattern from_lines_;
  smtp::ServerLimits limits_;
  Seconds receive_timeout_{300};
  Scope scope_;
  std::set<SmtpSession*> sessions_;
  WallTime last_accept_error_;
  std::vector<acl::Expansion> etrn_words_;
  CancelSource etrn_cancel_;
  uint64_t connections_ = 0;  // so many had an id
  bool stopping_ = false;
};

}  // namespace godwit::daemon
