#include "daemon/inbound.h"

#include "daemon/smtp_session.h"

namespace godwit::daemon {
namespace {

constexpr Seconds kAcceptErrorLogInterval{10};

}  // namespace

Inbound::Inbound(std::shared_ptr<const ServerConfig> config, const InboundServices& services)
    : config_(std::move(config)), services_(services) {
  const acl::CompiledPolicy& policy = *config_->policy;
  expressions_.banner = &policy.expansion("smtp_banner");
  expressions_.message_size_limit = &policy.expansion("message_size_limit");
  expressions_.receive_timeout = &policy.expansion("smtp_receive_timeout");
  expressions_.max_per_connection = &policy.expansion("smtp_accept_max_per_connection");
  expressions_.max_per_host = &policy.expansion("smtp_accept_max_per_host");
  expressions_.pipelining_hosts = &policy.list("pipelining_advertise_hosts");
  expressions_.chunking_hosts = &policy.list("chunking_advertise_hosts");
  expressions_.dsn_hosts = &policy.list("dsn_advertise_hosts");
  expressions_.smtputf8_hosts = &policy.list("smtputf8_advertise_hosts");
  expressions_.limits_hosts = &policy.list("limits_advertise_hosts");
  expressions_.enhanced_status_hosts = &policy.list("enhanced_status_advertise_hosts");
  expressions_.reject_hosts = &policy.list("host_reject_connection");
  expressions_.junk_helo_hosts = &policy.list("helo_accept_junk_hosts");
  expressions_.require_helo_hosts = &policy.list("hosts_require_helo");
  expressions_.nonmail_hosts = &policy.list("smtp_accept_max_nonmail_hosts");
  expressions_.nolog_hosts = &policy.list("hosts_connection_nolog");
  expressions_.reserve_hosts = &policy.list("smtp_reserve_hosts");
  expressions_.unqualified_sender_hosts = &policy.list("sender_unqualified_hosts");
  expressions_.unqualified_recipient_hosts = &policy.list("recipient_unqualified_hosts");
}

Inbound::~Inbound() {
  GODWIT_ASSERT(sessions_.empty());
}

void Inbound::on_connection(std::unique_ptr<UvStream> stream) {
  const std::optional<Endpoint> peer = stream->peer();
  const std::optional<Endpoint> local = stream->local();
  // A client that has gone before it was accepted has no address any more.
  if (!peer || !local || stopping_) return;
  scope_.spawn(serve(std::move(stream), *peer, *local));
}

Task<void> Inbound::serve(std::unique_ptr<ByteStream> stream, Endpoint peer, Endpoint local) {
  SessionOrigin origin;
  origin.peer = peer;
  origin.local = local;
  SmtpSession session(*this, *stream, std::move(origin));
  sessions_.insert(&session);
  co_await session.run();
  sessions_.erase(&session);
}

void Inbound::on_accept_error(const Error& error) {
  const WallTime now = services_.loop.clock().wall();
  if (now - last_accept_error_ < Millis(kAcceptErrorLogInterval)) return;
  last_accept_error_ = now;
  services_.log.main(LogEvent::connection, "", "accept() failed: " + error.to_string());
}

void Inbound::stop() {
  stopping_ = true;
  const std::set<SmtpSession*> all = sessions_;
  for (SmtpSession* session : all) {
    if (sessions_.contains(session)) session->stop();
  }
}

void Inbound::abort() {
  const std::set<SmtpSession*> all = sessions_;
  for (SmtpSession* session : all) {
    if (sessions_.contains(session)) session->abort();
  }
}

}  // namespace godwit::daemon
