// SmtpSession: whether a client is greeted, within which limits, and what it is offered.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "daemon/smtp_session.h"
#include "delivery/transport/tls_facts.h"

#include <algorithm>
#include <utility>

namespace godwit::daemon {
namespace {

constexpr Seconds kRefusalTimeout{10};

using smtp::ReplyId;

}  // namespace

Task<void> SmtpSession::refuse_connection(smtp::ReplyView reply, std::string_view why) {
  if (selects(config::LogSelector::connection_reject) && !why.empty())
    log(LogEvent::connection, why);
  std::string text;
  smtp::append_reply(text, reply, false);
  stream().set_deadline(inbound_.services().loop.clock().now() + kRefusalTimeout);
  const Result<void> sent = co_await stream().write(text);
  (void)sent;  // a client that went away has its answer
}

// What the configuration says about this client: everything that is asked before the greeting.
SmtpSession::Admission SmtpSession::admission() {
  const Inbound::Expressions& expressions = inbound_.expressions();
  Admission out;
  connection_.unqualified_sender = matches(expressions.unqualified_sender_hosts);
  connection_.unqualified_recipient = matches(expressions.unqualified_recipient_hosts);
  if (matches(&inbound_.config().policy->list("host_lookup"))) client_.find_name(context());
  const config::MainOptions& options = inbound_.options();
  const int64_t load = inbound_.pressure().load_over(options.smtp_load_reserve, "smtp_load_reserve",
                                                     evaluation_.trace);
  out.is_reserved =
      (options.smtp_accept_reserve > 0 || load >= 0) && matches(expressions.reserve_hosts);
  if (!out.is_reserved) out.load = load;
  out.host_limit = number_of(expressions.max_per_host);
  out.is_rejected = matches(expressions.reject_hosts);
  is_braked_ = matches(&inbound_.config().policy->list("smtp_ratelimit_hosts"));
  out.is_logged =
      selects(config::LogSelector::smtp_connection) && !matches(expressions.nolog_hosts);
  return out;
}

// Limits and lists that a client must pass before it is greeted.
Task<bool> SmtpSession::admit() {
  if (!origin_.peer) co_return true;
  const config::MainOptions& options = inbound_.options();
  ConnectionCounts& counts = inbound_.services().counts;
  const std::string& name = inbound_.config().facts.smtp_active_hostname;
  counts.opened(origin_.peer->address);
  counted_ = true;
  const auto total = static_cast<int64_t>(counts.total());
  connection_.connections_at_start = total;
  auto ask_lists = [this] { return admission(); };
  const Admission client = co_await on_fiber(ask_lists);
  log_client_name();
  const int64_t limit =
      options.smtp_accept_max - (client.is_reserved ? 0 : options.smtp_accept_reserve);
  std::string text;
  std::string why;
  if (options.smtp_accept_max > 0 && total > limit) {
    text = name + ": Too many concurrent SMTP connections; please try again later";
    why = "Connection from " + host_text().substr(2) + " refused: too many connections";
  } else if (client.host_limit > 0 && counts.of(origin_.peer->address) > client.host_limit) {
    text = name +
           ": Too many concurrent SMTP connections from this IP address; please try again later";
    why = "Connection from " + host_text().substr(2) +
          " refused: too many connections from that IP address";
  }
  if (text.empty() && client.load >= 0) {
    text = name + ": Too much load; please try again later";
    why = "temporarily refused connection from " + host_text().substr(2) +
          ": not in reserve list and load average = " + Pressure::load_text(client.load);
  }
  if (!text.empty()) {
    const smtp::ReplyView reply{421, {}, text};
    co_await refuse_connection(reply, why);
    co_return false;
  }
  if (client.is_rejected) {
    why = "refused connection from " + host_text().substr(2) + " (host_reject_connection)";
    co_await refuse_connection(smtp::named_reply(ReplyId::service_not_available_554), why);
    co_return false;
  }
  is_connection_logged_ = client.is_logged;
  if (client.is_logged) {
    log(LogEvent::connection, "SMTP connection from " + host_text().substr(2) +
                                  " (TCP/IP connection count = " + std::to_string(total) + ")" +
                                  connection_id_field());
  }
  co_return true;
}

// The value of an expression that gives a number; 0 where it gives none.
uint64_t SmtpSession::number_of(const acl::Expansion* expression) {
  if (expression->is_constant()) return parse_decimal(trim(expression->constant())).value_or(0);
  const acl::EvalResult result = expression->evaluate(context());
  return result.ok() ? parse_decimal(trim(result.text)).value_or(0) : 0;
}

// The limits of the configuration, with what differs from client to client.
smtp::ServerLimits SmtpSession::limits() {
  const Inbound::Expressions& expressions = inbound_.expressions();
  smtp::ServerLimits out = inbound_.limits();
  if (origin_.is_stdio) {
    // A local process writes text files, and nobody waits for its turn there.
    out.bare_line_ends = smtp::BareLineEnds::keep;
    out.enforce_sync = false;
  }
  if (origin_.is_test) out.enforce_sync = false;
  out.asks_for_paths = inbound_.config().delivery->rewrite->has(rewrite::kSmtp);
  if (!matches(expressions.nonmail_hosts)) out.max_nonmail = UINT32_MAX;
  out.accept_junk_helo = matches(expressions.junk_helo_hosts);
  out.accepts_early = origin_.peer && matches(expressions.early_pipelining_hosts);
  const bool ignores_from_lines = origin_.peer ? matches(expressions.from_line_hosts)
                                               : inbound_.options().ignore_fromline_local;
  if (ignores_from_lines) out.from_lines = &inbound_.from_lines();
  out.require_helo = origin_.peer && matches(expressions.require_helo_hosts);
  out.max_messages = static_cast<uint32_t>(
      std::min<uint64_t>(number_of(expressions.max_per_connection), UINT32_MAX));
  if (!expressions.message_size_limit->is_constant()) {
    const acl::EvalResult size = expressions.message_size_limit->evaluate(context());
    if (const Result<int64_t> limit = config::parse_integer(trim(size.text)))
      out.message_size_limit = static_cast<uint64_t>(std::max<int64_t>(0, *limit));
  }
  receive_timeout_ = inbound_.receive_timeout();
  if (!expressions.receive_timeout->is_constant()) {
    const acl::EvalResult timeout = expressions.receive_timeout->evaluate(context());
    if (const Result<Seconds> seconds = config::parse_time(trim(timeout.text)))
      receive_timeout_ = *seconds;
  }
  return out;
}

Task<SmtpSession::Greeting> SmtpSession::judge_connection() {
  auto ask_limits = [this] { return limits(); };
  const smtp::ServerLimits session_limits = co_await on_fiber(ask_limits);
  engine_.set_limits(session_limits);

  Greeting out;
  out.judgement = co_await ask(acl::AclWhere::connect, {});
  if (out.judgement.verdict != acl::AclVerdict::accept) co_return out;
  auto ask_banner = [this] { return inbound_.expressions().banner->evaluate(context()); };
  out.banner = co_await on_fiber(ask_banner);
  if (out.banner.ok() && !out.judgement.message.empty()) out.banner.text = out.judgement.message;
  co_return out;
}

// tls_early_banner_hosts: the greeting goes out with the server's part of the handshake. Who is to
// be refused learns it when the handshake is over.
Task<bool> SmtpSession::greet_early(bool requires_alpn) {
  const tls::SessionFacts facts = tls_->engine().facts();
  if (requires_alpn && facts.alpn.empty()) co_return true;
  connection_.tls_in = delivery::tls_facts_of(facts);
  greeting_ = co_await judge_connection();
  if (greeting_->judgement.verdict != acl::AclVerdict::accept || !greeting_->banner.ok())
    co_return true;
  engine_.greet(greeting_->banner.text);
  greeted_early_ = true;
  const std::string output = engine_.take_output();
  co_return tls_->engine().write_early(output).has_value();
}

Task<bool> SmtpSession::greet() {
  if (greeted_early_) co_return true;
  if (!greeting_) greeting_ = co_await judge_connection();
  const Judgement& judgement = greeting_->judgement;
  const acl::EvalResult& banner = greeting_->banner;
  if (judgement.verdict != acl::AclVerdict::accept) {
    co_await refuse_connection(judgement.reply, {});
    co_return false;
  }
  if (!banner.ok()) {
    log(LogEvent::configuration, "failed to expand smtp_banner: " + banner.text,
        LogFiles::main_and_panic);
    co_await refuse_connection(smtp::named_reply(ReplyId::service_not_available_451), {});
    co_return false;
  }
  // What a client has sent by now it sent without waiting for the greeting.
  if (stream().has_input()) {
    const Result<std::string_view> early = co_await stream().read();
    if (early) give_input(*early);
  }
  engine_.greet(banner.text);
  greeting_.reset();
  if (engine_.was_early()) co_return true;  // the greeting goes out with the answers
  co_return co_await flush();
}

smtp::Offer SmtpSession::offer() {
  const Inbound::Expressions& expressions = inbound_.expressions();
  smtp::Offer offer;
  using smtp::Extension;
  // Also where the list cannot be asked.
  const auto may_have = [this](const acl::ListPattern* list) {
    return list != nullptr && list->match(client_subject(), context()).match != acl::Match::no;
  };
  offer.extensions.set(Extension::size);
  offer.extensions.set(Extension::help);
  if (inbound_.options().accept_8bitmime) offer.extensions.set(Extension::eight_bit_mime);
  if (!controls_.no_pipelining && matches(expressions.pipelining_hosts))
    offer.extensions.set(Extension::pipelining);
  if (offer.extensions.has(Extension::pipelining) && engine_.limits().accepts_early)
    offer.extensions.set(Extension::pipe_connect);
  if (origin_.peer && !origin_.is_test && !origin_.is_stdio && tls_ == nullptr &&
      inbound_.tls_rules().advertises(client_subject(), context()))
    offer.extensions.set(Extension::starttls);
  if (may_have(expressions.chunking_hosts)) offer.extensions.set(Extension::chunking);
  if (inbound_.options().prdr_enable) offer.extensions.set(Extension::prdr);
  if (may_have(expressions.dsn_hosts)) offer.extensions.set(Extension::dsn);
  if (may_have(expressions.smtputf8_hosts)) offer.extensions.set(Extension::smtputf8);
  if (matches(expressions.enhanced_status_hosts))
    offer.extensions.set(Extension::enhanced_status_codes);
  if (inbound_.config().policy->acl(acl::AclWhere::vrfy).is_set())
    offer.extensions.set(Extension::vrfy);
  if (inbound_.config().policy->acl(acl::AclWhere::etrn).is_set())
    offer.extensions.set(Extension::etrn);
  if (inbound_.config().policy->acl(acl::AclWhere::expn).is_set())
    offer.extensions.set(Extension::expn);
  const smtp::ServerLimits& limits = engine_.limits();
  offer.size_limit = limits.message_size_limit;
  if (matches(expressions.limits_hosts)) {
    offer.mail_max = limits.max_messages;
    offer.rcpt_max = limits.recipients_max;
    if (offer.mail_max != 0 || offer.rcpt_max != 0) offer.extensions.set(Extension::limits);
  }
  return offer;
}

}  // namespace godwit::daemon
