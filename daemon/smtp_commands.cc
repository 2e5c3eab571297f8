// SmtpSession: the commands that begin a session and build an envelope.
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "core/io/timers.h"
#include "daemon/smtp_session.h"
#include "protocol/message/address_syntax.h"

#include <utility>

namespace godwit::daemon {

using smtp::ReplyId;

Task<void> SmtpSession::on_helo(std::string_view name) {
  helo_name_ = name;
  connection_.sender_helo_name = helo_name_;
  connection_.received_protocol = protocol_name();
  client_.forget_helo();
  auto check_helo = [this] { return verify_helo(); };
  if (origin_.peer && !co_await on_fiber(check_helo)) {
    const std::string verb(smtp::verb_row(engine_.verb()).name);
    engine_.reply({550, "5.7.1", verb + " argument does not match calling host"});
    log(LogEvent::rejected,
        "rejected \"" + verb + " " + helo_name_ + "\" from " + host_text().substr(2),
        LogFiles::main_and_reject);
    co_return;
  }
  log_client_name();
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
  auto ask_offer = [this] { return offer(); };
  const smtp::Offer offered = co_await on_fiber(ask_offer);
  engine_.set_offer(offered);
  std::string greeting = inbound_.config().facts.smtp_active_hostname + " Hello ";
  if (origin_.peer) {
    if (!connection_.sender_ident.empty()) greeting += connection_.sender_ident + " at ";
    greeting += connection_.sender_host_name.empty() ? helo_name_ : connection_.sender_host_name;
    greeting += " [" + origin_.peer->address.to_string() + "]";
  } else {
    greeting += connection_.sender_ident + " at " + helo_name_;
  }
  engine_.accept_helo(greeting);
}

// helo_lookup_domains, helo_verify_hosts and helo_try_verify_hosts. False: the client must go.
bool SmtpSession::verify_helo() {
  const acl::CompiledPolicy& policy = *inbound_.config().policy;
  const acl::ListSubject name{helo_name_, std::nullopt, {}};
  const auto looks = policy.list("helo_lookup_domains").match(name, context());
  if (looks.match == acl::Match::yes) client_.find_name(context());
  const bool must = matches(&policy.list("helo_verify_hosts"));
  if (!must && !matches(&policy.list("helo_try_verify_hosts"))) return true;
  return client_.verify_helo(context()) || !must;
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

// What was answered goes out before the client waits for the rest.
Task<void> SmtpSession::slow_down(const CommandBrake& brake, uint32_t number) {
  const Millis delay = brake_delay(brake, number);
  if (!is_braked_ || delay.count <= 0) co_return;
  const bool sent = co_await flush();
  (void)sent;  // a client that went away is noticed at the next read
  co_await Sleep(inbound_.services().loop.timers(), delay);
}

// AUTH= of MAIL (RFC 4954 5): kept where acl_smtp_mailauth accepts it. False, and answered, where
// the ACL cannot tell now. Without the ACL only a client that authenticated would be believed.
Task<bool> SmtpSession::take_mail_auth(std::string claimed) {
  auth_sender_.clear();
  connection_.authenticated_sender.clear();
  if (claimed.empty() || claimed == "<>") co_return true;
  const std::string said = "AUTH=" + claimed;
  const bool has_acl = inbound_.config().policy->acl(acl::AclWhere::mailauth).is_set();
  if (has_acl) {
    connection_.authenticated_sender = claimed;
    const Judgement judgement = co_await ask(acl::AclWhere::mailauth, said);
    if (judgement.verdict == acl::AclVerdict::accept) {
      auth_sender_ = std::move(claimed);
      co_return true;
    }
    connection_.authenticated_sender.clear();
    if (judgement.verdict == acl::AclVerdict::defer) {
      engine_.reply(judgement.reply);
      co_return false;
    }
  }
  log(LogEvent::note, "ignoring " + said + " from " + host_text() +
                          (has_acl ? " (rejected by ACL)" : " (client not authenticated)"));
  co_return true;
}

Task<void> SmtpSession::on_mail() {
  ++mails_seen_;
  co_await slow_down(inbound_.config().mail_brake, mails_seen_);
  const smtp::MailCommand& mail = engine_.mail();
  const acl::ServerFacts& facts = inbound_.config().facts;
  auto ask_list = [this] { return matches(inbound_.expressions().unqualified_sender_hosts); };
  if (mail.path.is_unqualified() && origin_.peer && !co_await on_fiber(ask_list)) {
    const std::string text =
        std::string(mail.path.written) + ": sender address must contain a domain";
    engine_.reply({501, "5.1.8", text});
    on_error(text);
    co_return;
  }
  if (!inbound_.has_spool_space(mail.has_size ? mail.size : 0)) {
    engine_.reply(ReplyId::space_shortage);
    co_return;
  }
  sender_ = qualified(mail.path, facts.qualify_domain);
  message_ = acl::MessageFacts();
  message_.sender_address = sender_;
  message_.size = mail.has_size ? static_cast<int64_t>(mail.size) : -1;
  message_.smtputf8 = mail.smtputf8;
  message_.prdr_requested = mail.prdr;
  dsn_ret_ = mail.ret;
  dsn_envid_ = mail.envid;
  eight_bit_ = mail.body == smtp::BodyKind::eight_bit_mime;
  smtputf8_ = mail.smtputf8;
  const bool asks_prdr = mail.prdr;
  const std::string claimed = mail.has_auth ? std::string(mail.auth) : std::string();
  connection_.received_protocol = protocol_name();
  if (!co_await take_mail_auth(claimed)) {
    forget_transaction();
    co_return;
  }
  Judgement judgement = co_await ask(acl::AclWhere::mail, sender_);
  const ReplyId accepted = asks_prdr ? ReplyId::mail_ok_prdr : ReplyId::mail_ok;
  if (!answer(judgement, smtp::named_reply(accepted))) {
    forget_transaction();
  } else if (judgement.verdict == acl::AclVerdict::discard) {
    mail_discarded_ = std::move(judgement.log_message);
  }
}

// The address that an ACL is about.
void SmtpSession::set_address(std::string_view address) {
  const size_t at = address.rfind('@');
  address_ = acl::AddressFacts();
  address_.original_local_part = address.substr(0, at);
  address_.original_domain = to_lower(address.substr(at + 1));
  address_.local_part = to_lower(message::unquote_local_part(address_.original_local_part));
  address_.domain = address_.original_domain;
}

Task<void> SmtpSession::on_rcpt() {
  const auto number = static_cast<uint32_t>(message_.rcpt_count + 1);
  co_await slow_down(inbound_.config().rcpt_brake, number);
  const smtp::RcptCommand& rcpt = engine_.rcpt();
  const acl::ServerFacts& facts = inbound_.config().facts;
  auto ask_list = [this] { return matches(inbound_.expressions().unqualified_recipient_hosts); };
  if (rcpt.path.is_unqualified() && origin_.peer && !rcpt.path.is_postmaster() &&
      !co_await on_fiber(ask_list)) {
    const std::string text =
        std::string(rcpt.path.written) + ": recipient address must contain a domain";
    engine_.reply({501, "5.1.3", text});
    on_error(text);
    co_return;
  }
  EnvelopeRecipient recipient;
  recipient.address = qualified(rcpt.path, facts.qualify_recipient);
  recipient.dsn_flags = rcpt.notify;
  recipient.orcpt = rcpt.orcpt;
  set_address(recipient.address);
  ++message_.rcpt_count;
  const std::string written(rcpt.path.address);
  if (mail_discarded_) {
    log_discarded(written, "MAIL", *mail_discarded_);
    engine_.reply(ReplyId::rcpt_ok);
    ++message_.rcpt_fail_count;
    co_return;
  }
  const Judgement judgement = co_await ask(acl::AclWhere::rcpt, written);
  address_ = acl::AddressFacts();
  const bool accepted = answer(judgement, smtp::named_reply(ReplyId::rcpt_ok));
  const bool discarded = judgement.verdict == acl::AclVerdict::discard;
  if (discarded) log_discarded(written, "RCPT", judgement.log_message);
  if (!accepted || discarded) {
    ++message_.rcpt_fail_count;
    co_return;
  }
  message_.recipients.push_back(recipient.address);
  recipients_.push_back(std::move(recipient));
  give_facts();
}

}  // namespace godwit::daemon
