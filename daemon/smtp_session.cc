// The dialogue itself: bytes, admission, commands. Messages are in smtp_message.cc, ACLs and words
// in smtp_policy.cc.
#include "daemon/smtp_session.h"

#include "core/base/ascii.h"
#include "core/config/values.h"

#include <algorithm>
#include <utility>

namespace godwit::daemon {
namespace {

// An idle session keeps no larger input buffer than this.
constexpr size_t kIdleInputBytesMax = 256;
constexpr Seconds kRefusalTimeout{10};

using smtp::EventKind;
using smtp::ReplyId;

}  // namespace

SmtpSession::SmtpSession(Inbound& inbound, ByteStream& stream, SessionOrigin origin)
    : inbound_(inbound),
      stream_(stream),
      origin_(std::move(origin)),
      engine_(smtp::ServerLimits{}),
      connected_(inbound.services().loop.clock().wall()) {
  connection_.sender_host = origin_.peer;
  connection_.interface = origin_.local;
  evaluation_.server = &inbound_.config().facts;
  evaluation_.connection = &connection_;
  evaluation_.message = &message_;
  evaluation_.address = &address_;
  evaluation_.connection_variables = &connection_variables_;
  evaluation_.message_variables = &message_variables_;
  evaluation_.utc = inbound_.config().log_style.utc;
}

SmtpSession::~SmtpSession() = default;

acl::EvalContext& SmtpSession::context() {
  evaluation_.now = inbound_.services().loop.clock().wall();
  return evaluation_;
}

bool SmtpSession::matches(const acl::ListPattern* list) {
  if (list == nullptr) return false;
  acl::ListSubject subject;
  if (origin_.peer) subject.address = origin_.peer->address;
  return list->match(subject, context()).match == acl::Match::yes;
}

void SmtpSession::stop() noexcept {
  stop_requested_ = true;
  if (waiting_for_command_) stream_.interrupt_reads();
}

// --- Bytes ---------------------------------------------------------------------------------------

Task<bool> SmtpSession::flush() {
  if (!engine_.has_output()) co_return true;
  const std::string output = engine_.take_output();
  const Result<void> sent = co_await stream_.write(output);
  co_return sent.has_value();
}

// Gets more input for the engine; false where there will be none.
Task<bool> SmtpSession::fill() {
  if (input_.capacity() > kIdleInputBytesMax) std::string().swap(input_);
  stream_.set_deadline(receive_timeout_.count == 0
                           ? Instant::never()
                           : inbound_.services().loop.clock().now() + receive_timeout_);
  waiting_for_command_ = !incoming_.writer;
  if (stop_requested_ && waiting_for_command_) stream_.interrupt_reads();
  const Result<std::string_view> got = co_await stream_.read();
  waiting_for_command_ = false;
  if (got && !got->empty()) {
    input_.assign(*got);
    engine_.receive(input_);
    co_return true;
  }
  const std::string& host = inbound_.config().facts.smtp_active_hostname;
  if (!got && got.error().code() == Errc::timed_out) {
    log(LogEvent::connection_lost,
        incoming_.writer ? "SMTP data timeout (message abandoned) on connection from " +
                               host_text().substr(2) + " F=<" + sender_ + ">"
                         : "SMTP command timeout on connection from " + host_text().substr(2));
    const std::string text = "421 " + host + ": SMTP command timeout - closing connection\r\n";
    const Result<void> sent = co_await stream_.write(text);
    (void)sent;  // whoever fell silent may be gone
    co_return false;
  }
  if (stop_requested_) {
    const std::string text = "421 " + host + " Service not available, closing connection\r\n";
    const Result<void> sent = co_await stream_.write(text);
    (void)sent;
    co_return false;
  }
  // The end of standard input ends a local session; only a message cut off is an error.
  if (!origin_.peer && !engine_.in_transaction()) co_return false;
  if (selects(config::LogSelector::lost_incoming_connection)) {
    const char* what = incoming_.writer
                           ? "unexpected disconnection while reading message data from "
                           : "unexpected disconnection while reading SMTP command from ";
    log(LogEvent::connection_lost, what + host_text().substr(2));
  }
  had_errors_ = true;
  co_return false;
}

// --- Connection ----------------------------------------------------------------------------------

Task<void> SmtpSession::run() {
  const bool admitted = co_await admit();
  if (admitted) {
    const bool greeted = co_await greet();
    if (greeted) co_await converse();
    if (selects(config::LogSelector::smtp_no_mail) && mails_seen_ == 0) {
      log(LogEvent::connection,
          "no MAIL in SMTP connection from " + host_text() + " C=" + commands_);
    }
  }
  if (counted_) inbound_.services().counts.closed(origin_.peer->address);
  stream_.close();
}

Task<void> SmtpSession::refuse_connection(smtp::ReplyView reply, std::string_view why) {
  if (selects(config::LogSelector::connection_reject) && !why.empty())
    log(LogEvent::connection, why);
  std::string text;
  smtp::append_reply(text, reply, false);
  stream_.set_deadline(inbound_.services().loop.clock().now() + kRefusalTimeout);
  const Result<void> sent = co_await stream_.write(text);
  (void)sent;  // a client that went away has its answer
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
  const bool is_reserved =
      options.smtp_accept_reserve > 0 && matches(inbound_.expressions().reserve_hosts);
  const int64_t limit = options.smtp_accept_max - (is_reserved ? 0 : options.smtp_accept_reserve);
  if (options.smtp_accept_max > 0 && total > limit) {
    const std::string text =
        name + ": Too many concurrent SMTP connections; please try again later";
    const std::string why =
        "Connection from " + host_text().substr(2) + " refused: too many connections";
    const smtp::ReplyView reply{421, {}, text};
    co_await refuse_connection(reply, why);
    co_return false;
  }
  const acl::EvalResult per_host = inbound_.expressions().max_per_host->evaluate(context());
  const std::optional<uint64_t> host_limit =
      per_host.ok() ? parse_decimal(trim(per_host.text)) : std::nullopt;
  if (host_limit && *host_limit > 0 && counts.of(origin_.peer->address) > *host_limit) {
    const std::string text =
        name +
        ": Too many concurrent SMTP connections from this IP address; please try again later";
    const std::string why = "Connection from " + host_text().substr(2) +
                            " refused: too many connections from that IP address";
    const smtp::ReplyView reply{421, {}, text};
    co_await refuse_connection(reply, why);
    co_return false;
  }
  if (matches(inbound_.expressions().reject_hosts)) {
    const std::string why = "refused connection from " + host_text() + " (host_reject_connection)";
    co_await refuse_connection(smtp::named_reply(ReplyId::service_not_available_554), why);
    co_return false;
  }
  if (selects(config::LogSelector::smtp_connection) &&
      !matches(inbound_.expressions().nolog_hosts)) {
    log(LogEvent::connection, "SMTP connection from " + host_text().substr(2) +
                                  " (TCP/IP connection count = " + std::to_string(total) + ")");
  }
  co_return true;
}

smtp::ServerLimits SmtpSession::limits() const {
  const config::MainOptions& options = inbound_.options();
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
  limits.enforce_sync = options.smtp_enforce_sync && origin_.peer.has_value();
  limits.helo_allow_chars = options.helo_allow_chars;
  switch (static_cast<config::BareNewline>(options.smtp_bare_newline.index)) {
    case config::BareNewline::reject:
      limits.bare_line_ends = smtp::BareLineEnds::reject;
      break;
    case config::BareNewline::replace:
      limits.bare_line_ends = smtp::BareLineEnds::replace;
      break;
    case config::BareNewline::keep:
      limits.bare_line_ends = smtp::BareLineEnds::keep;
      break;
  }
  // A local process writes text files: their line ends are LF.
  if (!origin_.peer) limits.bare_line_ends = smtp::BareLineEnds::keep;
  return limits;
}

Task<bool> SmtpSession::greet() {
  const Inbound::Expressions& expressions = inbound_.expressions();
  smtp::ServerLimits session_limits = limits();
  if (!matches(expressions.nonmail_hosts)) session_limits.max_nonmail = UINT32_MAX;
  session_limits.accept_junk_helo = matches(expressions.junk_helo_hosts);
  session_limits.require_helo = origin_.peer && matches(expressions.require_helo_hosts);
  const acl::EvalResult messages = expressions.max_per_connection->evaluate(context());
  const std::optional<uint64_t> messages_max =
      messages.ok() ? parse_decimal(trim(messages.text)) : std::nullopt;
  if (messages_max)
    session_limits.max_messages =
        static_cast<uint32_t>(std::min<uint64_t>(*messages_max, UINT32_MAX));
  const acl::EvalResult size = expressions.message_size_limit->evaluate(context());
  const Result<int64_t> size_limit = config::parse_integer(trim(size.text));
  if (size_limit)
    session_limits.message_size_limit = static_cast<uint64_t>(std::max<int64_t>(0, *size_limit));
  const acl::EvalResult timeout = expressions.receive_timeout->evaluate(context());
  const Result<Seconds> receive_timeout = config::parse_time(trim(timeout.text));
  if (receive_timeout) receive_timeout_ = *receive_timeout;
  engine_.set_limits(session_limits);

  const Judgement judgement = co_await ask(acl::AclWhere::connect, {});
  if (judgement.verdict != acl::AclVerdict::accept) {
    co_await refuse_connection(judgement.reply, {});
    co_return false;
  }
  acl::EvalResult banner = expressions.banner->evaluate(context());
  if (!banner.ok()) {
    log(LogEvent::configuration, "failed to expand smtp_banner: " + banner.text,
        LogFiles::main_and_panic);
    co_await refuse_connection(smtp::named_reply(ReplyId::service_not_available_451), {});
    co_return false;
  }
  if (!judgement.message.empty()) banner.text = judgement.message;
  // What a client has sent by now it sent without waiting for the greeting.
  if (stream_.has_input()) {
    const Result<std::string_view> early = co_await stream_.read();
    if (early) input_.assign(*early);
    engine_.receive(input_);
  }
  engine_.greet(banner.text);
  co_return co_await flush();
}

Task<void> SmtpSession::converse() {
  for (;;) {
    const smtp::Event event = engine_.next();
    if (event.kind == EventKind::need_input) {
      const bool sent = co_await flush();
      if (!sent) break;
      const bool filled = co_await fill();
      if (!filled) break;
      continue;
    }
    const bool goes_on = co_await handle(event);
    if (!goes_on) break;
  }
  if (incoming_.writer) forget_transaction();
}

// False where the session is over.
Task<bool> SmtpSession::handle(const smtp::Event& event) {
  switch (event.kind) {
    case EventKind::body_chunk:
      co_await on_body_chunk(event.text);
      co_return true;
    case EventKind::greeted:
      co_await on_helo(event.text);
      break;
    case EventKind::mail:
      co_await on_mail();
      break;
    case EventKind::rcpt:
      co_await on_rcpt();
      break;
    case EventKind::body_start:
      co_await on_body_start();
      break;
    case EventKind::body_end:
      co_await on_body_end();
      break;
    case EventKind::body_refused:
      on_error(event.text);
      forget_transaction();
      break;
    case EventKind::reset:
      forget_transaction();
      break;
    case EventKind::verify: {
      const std::string argument(event.text);
      co_await judge(acl::AclWhere::vrfy,
                     {252, "2.5.2", "Cannot VRFY user, but will accept message"}, argument);
      break;
    }
    case EventKind::expand: {
      const std::string argument(event.text);
      co_await judge(acl::AclWhere::expn, {252, "2.5.2", "Cannot EXPN list"}, argument);
      break;
    }
    case EventKind::auth:
      engine_.reply(ReplyId::auth_not_advertised);
      break;
    case EventKind::starttls:
      engine_.reply(ReplyId::starttls_not_advertised);
      break;
    case EventKind::quit: {
      const Judgement judgement = co_await ask(acl::AclWhere::quit, {});
      const std::string text =
          judgement.message.empty()
              ? inbound_.config().facts.smtp_active_hostname + " closing connection"
              : judgement.message;
      engine_.reply({221, "2.0.0", text});
      break;
    }
    case EventKind::error:
      on_error(event.text);
      break;
    case EventKind::close:
      co_await on_close(event.text);
      co_return false;
    case EventKind::help:
    case EventKind::noop:
    case EventKind::need_input:
      break;
  }
  if (selects(config::LogSelector::smtp_no_mail) && commands_.size() < 200 && mails_seen_ == 0) {
    if (!commands_.empty()) commands_ += ',';
    commands_ += smtp::verb_row(engine_.verb()).name;
  }
  co_return true;
}

Task<void> SmtpSession::on_close(std::string_view why) {
  const std::string reason(why);
  const bool sent = co_await flush();
  (void)sent;
  if (!reason.empty()) {
    had_errors_ = true;
    std::string text = reason + ": " + "rejected connection from " + host_text();
    if (engine_.fault() == smtp::Fault::synchronization) {
      text += " input=\"" + escape_control(engine_.unread().substr(0, 100)) + "\"";
    }
    log(LogEvent::protocol_error, text, LogFiles::main_and_reject);
  } else if (selects(config::LogSelector::smtp_connection) && origin_.peer) {
    log(LogEvent::connection, "SMTP connection from " + host_text().substr(2) + " closed by QUIT");
  }
}

void SmtpSession::on_error(std::string_view text) {
  had_errors_ = true;
  const smtp::Fault fault = engine_.fault();
  const std::string command = escape_control(engine_.command_line().substr(0, 200));
  if (fault == smtp::Fault::syntax && selects(config::LogSelector::smtp_syntax_error)) {
    log(LogEvent::protocol_error,
        "SMTP syntax error in \"" + command + "\" " + host_text() + " " + std::string(text));
  } else if (fault == smtp::Fault::protocol && selects(config::LogSelector::smtp_protocol_error)) {
    log(LogEvent::protocol_error,
        "SMTP protocol error in \"" + command + "\" " + host_text() + " " + std::string(text));
  } else if (fault == smtp::Fault::limit && selects(config::LogSelector::size_reject)) {
    log(LogEvent::rejected, host_text() + " F=<" + sender_ + "> rejected: " + std::string(text),
        LogFiles::main_and_reject);
  }
}

// --- Commands ------------------------------------------------------------------------------------

smtp::Offer SmtpSession::offer() {
  const Inbound::Expressions& expressions = inbound_.expressions();
  smtp::Offer offer;
  using smtp::Extension;
  offer.extensions.set(Extension::size);
  offer.extensions.set(Extension::help);
  if (inbound_.options().accept_8bitmime) offer.extensions.set(Extension::eight_bit_mime);
  if (!controls_.no_pipelining && matches(expressions.pipelining_hosts))
    offer.extensions.set(Extension::pipelining);
  if (matches(expressions.chunking_hosts)) offer.extensions.set(Extension::chunking);
  if (matches(expressions.dsn_hosts)) offer.extensions.set(Extension::dsn);
  if (matches(expressions.smtputf8_hosts)) offer.extensions.set(Extension::smtputf8);
  if (matches(expressions.enhanced_status_hosts))
    offer.extensions.set(Extension::enhanced_status_codes);
  if (inbound_.config().policy->acl(acl::AclWhere::vrfy).is_set())
    offer.extensions.set(Extension::vrfy);
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

Task<void> SmtpSession::on_helo(std::string_view name) {
  helo_name_ = name;
  connection_.sender_helo_name = helo_name_;
  connection_.received_protocol = protocol_name();
  Judgement judgement = co_await ask(acl::AclWhere::helo, helo_name_);
  if (judgement.verdict != acl::AclVerdict::accept) {
    if (judgement.drop) {
      engine_.reply_and_close(judgement.reply, {});
    } else {
      engine_.reply(judgement.reply);
    }
    co_return;
  }
  forget_transaction();
  connection_.received_protocol = protocol_name();
  engine_.set_offer(offer());
  std::string greeting = inbound_.config().facts.smtp_active_hostname + " Hello ";
  if (origin_.peer) {
    greeting += helo_name_ + " [" + origin_.peer->address.to_string() + "]";
  } else {
    greeting += origin_.login + " at " + helo_name_;
  }
  engine_.accept_helo(greeting);
}

// The address with a domain: the client's, or `domain` for an unqualified one.
std::string SmtpSession::qualified(const smtp::Path& path, const std::string& domain) const {
  std::string out(path.address);
  if (path.is_unqualified()) {
    out += '@';
    out += domain;
  }
  return out;
}

Task<void> SmtpSession::on_mail() {
  const smtp::MailCommand& mail = engine_.mail();
  ++mails_seen_;
  const acl::ServerFacts& facts = inbound_.config().facts;
  const bool may_be_unqualified =
      !origin_.peer || matches(inbound_.expressions().unqualified_sender_hosts);
  if (mail.path.is_unqualified() && !may_be_unqualified) {
    const std::string text =
        std::string(mail.path.address) + ": sender address must contain a domain";
    engine_.reply({501, "5.1.8", text});
    on_error(text);
    co_return;
  }
  if (!inbound_.has_spool_space()) {
    log(LogEvent::rejected,
        host_text() + " temporarily rejected MAIL: the spool cannot be written");
    engine_.reply(ReplyId::space_shortage);
    co_return;
  }
  sender_ = qualified(mail.path, facts.qualify_domain);
  message_ = acl::MessageFacts();
  message_.sender_address = sender_;
  message_.size = mail.has_size ? static_cast<int64_t>(mail.size) : -1;
  message_.smtputf8 = mail.smtputf8;
  dsn_ret_ = mail.ret;
  dsn_envid_ = mail.envid;
  auth_sender_ = mail.has_auth && mail.auth != "<>" ? mail.auth : std::string();
  eight_bit_ = mail.body == smtp::BodyKind::eight_bit_mime;
  smtputf8_ = mail.smtputf8;
  connection_.received_protocol = protocol_name();
  const bool accepted =
      co_await judge(acl::AclWhere::mail, smtp::named_reply(ReplyId::mail_ok), sender_);
  if (!accepted) forget_transaction();
}

Task<void> SmtpSession::on_rcpt() {
  const smtp::RcptCommand& rcpt = engine_.rcpt();
  const acl::ServerFacts& facts = inbound_.config().facts;
  const bool may_be_unqualified = !origin_.peer || rcpt.path.is_postmaster() ||
                                  matches(inbound_.expressions().unqualified_recipient_hosts);
  if (rcpt.path.is_unqualified() && !may_be_unqualified) {
    const std::string text =
        std::string(rcpt.path.address) + ": recipient address must contain a domain";
    engine_.reply({501, "5.1.3", text});
    on_error(text);
    co_return;
  }
  EnvelopeRecipient recipient;
  recipient.address = qualified(rcpt.path, facts.qualify_recipient);
  recipient.dsn_flags = rcpt.notify;
  recipient.orcpt = rcpt.orcpt;
  const size_t at = recipient.address.rfind('@');
  address_ = acl::AddressFacts();
  address_.original_local_part = recipient.address.substr(0, at);
  address_.original_domain = to_lower(std::string_view(recipient.address).substr(at + 1));
  address_.local_part = to_lower(address_.original_local_part);
  address_.domain = address_.original_domain;
  ++message_.rcpt_count;
  const bool discard_before = discard_message_;
  const bool accepted =
      co_await judge(acl::AclWhere::rcpt, smtp::named_reply(ReplyId::rcpt_ok), recipient.address);
  address_ = acl::AddressFacts();
  if (!accepted) {
    ++message_.rcpt_fail_count;
    co_return;
  }
  const bool discarded = discard_message_ && !discard_before;
  discard_message_ = discard_before;  // a discarded recipient is only not kept
  if (discarded) co_return;
  message_.recipients.push_back(recipient.address);
  recipients_.push_back(std::move(recipient));
}

}  // namespace godwit::daemon
