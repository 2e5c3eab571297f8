#include "daemon/inbound.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/process.h"
#include "daemon/explain_keeper.h"
#include "daemon/smtp_session.h"
#include "delivery/route/listed_hosts.h"

#include <algorithm>

namespace godwit::daemon {
namespace {

constexpr Seconds kAcceptErrorLogInterval{10};
constexpr Seconds kEtrnTimeout{6 * 3600};  // as long as Exim believes its hints

smtp::BareLineEnds bare_line_ends_of(const config::MainOptions& options) {
  switch (static_cast<config::BareNewline>(options.smtp_bare_newline.index)) {
    case config::BareNewline::replace:
      return smtp::BareLineEnds::replace;
    case config::BareNewline::keep:
      return smtp::BareLineEnds::keep;
    case config::BareNewline::reject:
      break;
  }
  return smtp::BareLineEnds::reject;
}

smtp::ServerLimits limits_of(const config::MainOptions& options) {
  const auto bounded = [](int64_t value) {
    return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, UINT32_MAX));
  };
  smtp::ServerLimits limits;
  limits.header.header_bytes_max =
      static_cast<uint64_t>(std::max<int64_t>(0, options.header_maxsize));
  limits.header.line_bytes_max =
      static_cast<uint64_t>(std::max<int64_t>(0, options.header_line_maxsize));
  limits.header.received_max = bounded(options.received_headers_max);
  limits.recipients_max = bounded(options.recipients_max);
  limits.recipients_max_reject = options.recipients_max_reject;
  limits.max_unknown_commands = bounded(options.smtp_max_unknown_commands);
  limits.max_synprot_errors = bounded(options.smtp_max_synprot_errors);
  limits.max_nonmail = bounded(options.smtp_accept_max_nonmail);
  limits.enforce_sync = options.smtp_enforce_sync;
  limits.helo_allow_chars = options.helo_allow_chars;
  limits.bare_line_ends = bare_line_ends_of(options);
  return limits;
}

}  // namespace

Inbound::Inbound(std::shared_ptr<const ServerConfig> config, const InboundServices& services)
    : config_(std::move(config)),
      services_(services),
      machine_(services.loop.clock()),
      pressure_(*config_, machine_, services.log),
      tls_rules_(*config_->policy),
      from_lines_(options().uucp_from_pattern),
      limits_(limits_of(config_->options())) {
  const acl::CompiledPolicy& policy = *config_->policy;
  expressions_.banner = &policy.expansion("smtp_banner");
  const bool has_received_text = options().received_header_text.text.at(0).line != 0;
  expressions_.received_text =
      has_received_text ? &policy.expansion("received_header_text") : nullptr;
  expressions_.message_size_limit = &policy.expansion("message_size_limit");
  expressions_.receive_timeout = &policy.expansion("smtp_receive_timeout");
  expressions_.max_per_connection = &policy.expansion("smtp_accept_max_per_connection");
  expressions_.max_per_host = &policy.expansion("smtp_accept_max_per_host");
  expressions_.pipelining_hosts = &policy.list("pipelining_advertise_hosts");
  expressions_.early_pipelining_hosts = &policy.list("pipelining_connect_advertise_hosts");
  expressions_.chunking_hosts = &policy.list("chunking_advertise_hosts");
  expressions_.dsn_hosts = &policy.list("dsn_advertise_hosts");
  expressions_.smtputf8_hosts = &policy.list("smtputf8_advertise_hosts");
  expressions_.limits_hosts = &policy.list("limits_advertise_hosts");
  expressions_.enhanced_status_hosts = &policy.list("enhanced_status_advertise_hosts");
  expressions_.reject_hosts = &policy.list("host_reject_connection");
  expressions_.junk_helo_hosts = &policy.list("helo_accept_junk_hosts");
  expressions_.require_helo_hosts = &policy.list("hosts_require_helo");
  expressions_.nonmail_hosts = &policy.list("smtp_accept_max_nonmail_hosts");
  expressions_.from_line_hosts = &policy.list("ignore_fromline_hosts");
  expressions_.nolog_hosts = &policy.list("hosts_connection_nolog");
  expressions_.reserve_hosts = &policy.list("smtp_reserve_hosts");
  expressions_.unqualified_sender_hosts = &policy.list("sender_unqualified_hosts");
  expressions_.unqualified_recipient_hosts = &policy.list("recipient_unqualified_hosts");
  compile_etrn();
  limits_.paths = {options().strip_excess_angle_brackets, options().strip_trailing_dot,
                   options().allow_utf8_domains, options().allow_domain_literals};
  const Result<int64_t> size =
      config::parse_integer(trim(expressions_.message_size_limit->constant()));
  if (size) limits_.message_size_limit = static_cast<uint64_t>(std::max<int64_t>(0, *size));
  const Result<Seconds> timeout =
      config::parse_time(trim(expressions_.receive_timeout->constant()));
  if (timeout) receive_timeout_ = *timeout;
}

Inbound::~Inbound() {
  GODWIT_ASSERT(sessions_.empty());
}

void Inbound::on_connection(std::unique_ptr<UvStream> stream) {
  const std::optional<Endpoint> peer = stream->peer();
  const std::optional<Endpoint> local = stream->local();
  // A client that has gone before it was accepted has no address any more.
  if (!peer || !local || stopping_) return;
  if (!options().tcp_nodelay) stream->allow_delay();
  scope_.spawn(serve(std::move(stream), *peer, *local));
}

Task<void> Inbound::serve(std::unique_ptr<UvStream> stream, Endpoint peer, Endpoint local) {
  SessionOrigin origin;
  origin.peer = peer;
  origin.local = local;
  origin.tls_on_connect = config_->is_tls_port(local.port);
  origin.fast_open = stream->fast_open();
  origin.trace = services_.debug;
  std::unique_ptr<acl::TraceRecord> record;
  if (services_.explain != nullptr && origin.trace == nullptr) {
    record = services_.explain->begin_connection();
    origin.trace = record.get();
    origin.record = record.get();
  }
  SmtpSession session(*this, *stream, std::move(origin));
  sessions_.insert(&session);
  co_await session.run();
  sessions_.erase(&session);
}

// The option was checked as a whole when it was loaded; its words are expanded one by one.
void Inbound::compile_etrn() {
  config::LocatedText left = options().smtp_etrn_command.text;
  acl::CompileOptions how;
  how.lists = config_->policy->lists().get();
  while (!left.trimmed().view().empty()) {
    const config::LocatedText word = delivery::next_word(left);
    const Result<acl::Expansion> compiled = acl::compile_expansion(word.view(), how);
    if (compiled) etrn_words_.push_back(*compiled);
  }
}

bool Inbound::start_etrn(std::vector<std::string> arguments, const std::string& key) {
  if (stopping_ || (!key.empty() && !services_.counts.claim(key))) return false;
  scope_.spawn(run_etrn(std::move(arguments), key));
  return true;
}

// Nobody waits for how it ends (RFC 1985 5.2).
Task<void> Inbound::run_etrn(std::vector<std::string> arguments, std::string key) {
  ProcessOptions process;
  process.arguments = std::move(arguments);
  process.timeout = Millis(kEtrnTimeout);
  process.cancel = &etrn_cancel_;
  const Result<ProcessOutcome> ended = co_await run_process(services_.loop, std::move(process));
  if (!ended)
    services_.log.panic(LogEvent::daemon, "", "ETRN command: " + ended.error().to_string());
  if (!key.empty()) services_.counts.release(key);
}

void Inbound::on_accept_error(const Error& error) {
  const WallTime now = services_.loop.clock().wall();
  if (now - last_accept_error_ < Millis(kAcceptErrorLogInterval)) return;
  last_accept_error_ = now;
  services_.log.main(LogEvent::connection, "", "accept() failed: " + error.to_string());
}

// smtp_backlog_monitor, in the words of Exim's log.
void Inbound::on_backlog(uint32_t waiting, const Endpoint& local) {
  services_.log.main(LogEvent::connection, "",
                     "listen backlog " + std::to_string(waiting) + " I=[" +
                         local.address.to_string() + "]:" + std::to_string(local.port));
}

namespace {

// Tells each of the sessions that are there now, as far as it is still there when its turn comes.
Task<void> tell_in_turns(Loop& loop, const std::set<SmtpSession*>& sessions,
                         void (SmtpSession::*what)() noexcept) {
  const std::set<SmtpSession*> all = sessions;
  for (SmtpSession* session : all) {
    if (sessions.contains(session)) (session->*what)();
    co_await yield_if_late(loop);
  }
}

}  // namespace

void Inbound::stop() {
  stopping_ = true;
  scope_.spawn(tell_in_turns(services_.loop, sessions_, &SmtpSession::stop));
}

void Inbound::abort() {
  etrn_cancel_.cancel();
  scope_.spawn(tell_in_turns(services_.loop, sessions_, &SmtpSession::abort));
}

}  // namespace godwit::daemon
