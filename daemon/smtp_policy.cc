// SmtpSession: ACLs, their effects and log lines, and how the session words things.
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "core/io/timers.h"
#include "daemon/smtp_session.h"

#include <utility>

namespace godwit::daemon {
namespace {

using acl::AclVerdict;
using acl::AclWhere;
using smtp::ReplyId;

// What an ACL that is not set means (EXIM.md 2.3).
AclVerdict verdict_of_unset(AclWhere where) noexcept {
  switch (where) {
    case AclWhere::rcpt:
    case AclWhere::etrn:
    case AclWhere::expn:
    case AclWhere::vrfy:
    case AclWhere::atrn:
    case AclWhere::wellknown:
      return AclVerdict::deny;
    default:
      return AclVerdict::accept;
  }
}

// The command as rejection lines name it: "rejected RCPT <a@b>".
std::string rejected_what(AclWhere where, std::string_view subject) {
  std::string out(acl::acl_where_name(where));
  switch (where) {
    case AclWhere::data:
      return "after DATA";
    case AclWhere::predata:
      return "DATA";
    case AclWhere::not_smtp:
      return "by non-SMTP ACL";
    case AclWhere::connect:
      return "connection in \"connect\" ACL";
    case AclWhere::mail:
    case AclWhere::rcpt:
      return out + " <" + std::string(subject) + ">";
    default:
      if (!subject.empty()) out += " " + std::string(subject);
      return out;
  }
}

}  // namespace

bool SmtpSession::selects(config::LogSelector selector) const noexcept {
  return inbound_.options().log_selector.has(selector);
}

std::string SmtpSession::host_text() const {
  std::string out = "H=";
  if (!origin_.peer) return "U=" + origin_.claimed.ident;
  if (!connection_.sender_host_name.empty()) out += connection_.sender_host_name + " ";
  if (!helo_name_.empty() && !equals_ignore_case(helo_name_, connection_.sender_host_name)) {
    out += "(" + escape_control(helo_name_) + ") ";
  }
  out += "[" + origin_.peer->address.to_string() + "]";
  if (selects(config::LogSelector::incoming_port)) out += ":" + std::to_string(origin_.peer->port);
  if (!origin_.claimed.ident.empty()) out += " U=" + escape_control(origin_.claimed.ident);
  return out;
}

// " Ci=..." where that is selected.
std::string SmtpSession::connection_id_field() const {
  const bool is_selected = selects(config::LogSelector::connection_id) ||
                           selects(config::LogSelector::connection_identify);
  return is_selected ? " Ci=" + connection_.connection_id : std::string();
}

std::string SmtpSession::protocol_name() const {
  if (!origin_.claimed.protocol.empty()) return origin_.claimed.protocol;
  std::string out = smtputf8_ ? "utf8" : "";
  if (origin_.is_batch) return out + "local-bsmtp";
  if (!origin_.peer) out += "local-";
  if (tls_ == nullptr) return out + (engine_.is_esmtp() ? "esmtp" : "smtp");
  if (tls_on_connect_ && selects(config::LogSelector::tls_on_connect))
    return out + (engine_.is_esmtp() ? "essmtp" : "ssmtp");
  return out + (engine_.is_esmtp() ? "esmtps" : "smtps");
}

void SmtpSession::log(LogEvent event, std::string_view text, LogFiles files,
                      std::string_view message_id) {
  std::string header;
  const bool is_refusal = contains(files, LogFiles::reject) && !incoming_.id.empty();
  if (is_refusal && selects(config::LogSelector::rejected_header)) header = rejected_header();
  inbound_.services().log.write({event, files, message_id, text, {}, header});
}

// What the reject log shows of a message whose header section has come.
std::string SmtpSession::rejected_header() const {
  std::string out = rejected_envelope(sender_, recipients_);
  if (incoming_.is_whole)
    out += header_edits_.lettered(incoming_.received, incoming_.head, header_fields());
  return out;
}

Task<SmtpSession::Judgement> SmtpSession::ask(AclWhere where, std::string_view subject) {
  Judgement judgement;
  const acl::CompiledPolicy& policy = *inbound_.config().policy;
  if (origin_.is_batch) {
    // A batch is a submission in another form: the ACLs of the dialogue do not hold for it.
    if (where == AclWhere::data) where = AclWhere::not_smtp;
    if (where == AclWhere::predata) where = AclWhere::not_smtp_start;
    if (where != AclWhere::not_smtp && where != AclWhere::not_smtp_start) co_return judgement;
  }
  const acl::AclCall& call = policy.acl(where);
  if (!call.is_set()) {
    // -bs: whoever may run the program may send.
    if (origin_.peer || where != AclWhere::rcpt) judgement.verdict = verdict_of_unset(where);
    if (judgement.verdict == AclVerdict::deny) {
      acl::AclOutcome outcome;
      log_rejection(where, outcome, subject);
      const smtp::ReplyView refusal = smtp::named_reply(ReplyId::administrative_prohibition);
      judgement.reply = {refusal.code, std::string(refusal.enhanced), std::string(refusal.text)};
      if (where == AclWhere::vrfy) judgement.reply = {252, "2.5.2", std::string(refusal.text)};
      if (where == AclWhere::etrn) judgement.reply = {458, "4.7.1", std::string(refusal.text)};
    }
    co_return judgement;
  }
  connection_.smtp_command = engine_.command_line();
  evaluation_.is_local_part_caseful = false;
  auto evaluate = [&] { return policy.acls().evaluate(call, where, context()); };
  acl::AclOutcome outcome = co_await on_fiber(evaluate);
  judgement.verdict = outcome.verdict;
  judgement.message = outcome.user_message;
  judgement.log_message = outcome.log_message;
  log_client_name();
  const Millis delay = outcome.effects.delay;
  const std::vector<acl::LogWrite> notes = std::move(outcome.effects.log_writes);
  apply(std::move(outcome.effects));
  write_notes(notes);
  // What an ACL for the end of a session says changes nothing.
  const bool is_over =
      where == AclWhere::quit || where == AclWhere::notquit || where == AclWhere::not_smtp_start;
  if (!is_over && outcome.verdict != AclVerdict::accept && outcome.verdict != AclVerdict::discard) {
    const std::string sender_failure = tell_sender_failure(outcome);
    // A recipient that PRDR refuses, and an AUTH= that is not believed, have lines of their own.
    const bool is_told_elsewhere =
        where == AclWhere::prdr ||
        (where == AclWhere::mailauth && outcome.verdict != AclVerdict::defer);
    if (!is_told_elsewhere) log_rejection(where, outcome, subject);
    judgement.drop = outcome.verdict == AclVerdict::drop;
    const bool defers = outcome.verdict == AclVerdict::defer;
    const smtp::ReplyView usual =
        smtp::named_reply(defers ? ReplyId::local_problem : ReplyId::administrative_prohibition);
    judgement.reply.code =
        outcome.reply_code != 0 ? static_cast<uint16_t>(outcome.reply_code) : usual.code;
    // RFC 5321 3.5.3: a server may decline to verify.
    if (where == AclWhere::vrfy && outcome.reply_code == 0 && !defers) judgement.reply.code = 252;
    if (where == AclWhere::etrn && outcome.reply_code == 0 && !defers) judgement.reply.code = 458;
    judgement.reply.enhanced =
        outcome.enhanced_status.empty() ? std::string(usual.enhanced) : outcome.enhanced_status;
    judgement.reply.text = sender_failure + (outcome.user_message.empty() ? std::string(usual.text)
                                                                          : outcome.user_message);
  } else if (outcome.reply_code != 0) {
    judgement.reply.code = static_cast<uint16_t>(outcome.reply_code);
  }
  if (controls_.no_multiline_responses)
    judgement.reply.text.resize(
        std::min(judgement.reply.text.find('\n'), judgement.reply.text.size()));
  if (delay.count > 0) {
    if (!controls_.no_delay_flush) {
      const bool sent = co_await flush();
      (void)sent;  // a client that went away is noticed at the next read
    }
    co_await Sleep(inbound_.services().loop.timers(), delay);
  }
  co_return judgement;
}

bool SmtpSession::answer(const Judgement& judgement, smtp::ReplyView accepted) {
  switch (judgement.verdict) {
    case AclVerdict::discard:
    case AclVerdict::accept: {
      smtp::ReplyView reply = accepted;
      if (judgement.reply.code != 0) reply.code = judgement.reply.code;
      if (!judgement.message.empty()) reply.text = judgement.message;
      engine_.reply(reply);
      return true;
    }
    case AclVerdict::drop:
      engine_.reply_and_close(judgement.reply, {});
      return false;
    case AclVerdict::deny:
    case AclVerdict::defer:
      break;
  }
  engine_.reply(judgement.reply);
  return false;
}

// A client without a name is logged once, whatever asked for it.
void SmtpSession::log_client_name() {
  if (client_name_logged_ || !connection_.host_lookup_failed) return;
  client_name_logged_ = true;
  if (selects(config::LogSelector::host_lookup_failed))
    log(LogEvent::connection,
        "no host name found for IP address " + origin_.peer->address.to_string());
}

// Why the sender could not be verified is logged, and told in lines before the reply proper, the
// first time in a message.
std::string SmtpSession::tell_sender_failure(const acl::AclOutcome& outcome) {
  if (!outcome.sender_failure || sender_failure_told_) return {};
  sender_failure_told_ = true;
  const acl::SenderFailure& failure = *outcome.sender_failure;
  const bool is_failure = outcome.verdict != AclVerdict::defer;
  if (!is_failure || selects(config::LogSelector::sender_verify_fail)) {
    std::string text = host_text() + " sender verify " + (failure.deferred ? "defer" : "fail") +
                       " for <" + failure.address + ">";
    if (!failure.log_message.empty()) text += ": " + failure.log_message;
    log(LogEvent::rejected, text, LogFiles::main_and_reject);
  }
  if (!is_failure || failure.user_message.empty()) return {};
  if (failure.failure_kind == "postmaster") {
    return "Postmaster verification failed while checking <" + failure.address + ">\n" +
           failure.user_message +
           "\nSeveral RFCs state that you are required to have a postmaster\n"
           "mailbox for each mail domain. This host does not accept mail\n"
           "from domains whose servers reject the postmaster address.\n";
  }
  if (failure.failure_kind == "mail") {
    return "Callback setup failed while verifying <" + failure.address + ">\n" +
           failure.user_message +
           "\nThe initial connection, or a HELO or MAIL FROM:<> command was\n"
           "rejected. Refusing MAIL FROM:<> does not help fight spam, disregards\n"
           "RFC requirements, and stops you from receiving standard bounce\n"
           "messages. This host does not accept mail from domains whose servers\n"
           "refuse bounces.\n";
  }
  return "Verification failed for <" + failure.address + ">\n" + failure.user_message + "\n";
}

void SmtpSession::write_notes(const std::vector<acl::LogWrite>& notes) {
  for (const acl::LogWrite& write : notes) {
    if (write.selector && !selects(*write.selector)) continue;
    const std::string text = (write.with_host ? host_text() + " " : "") + write.text;
    // What a `warn` says is logged once a message.
    const bool is_warning = write.with_host && write.text.starts_with("Warning: ");
    if (is_warning && !warnings_.insert(text).second) continue;
    const std::string id = incoming_.id.empty() ? std::string() : incoming_.id.to_string();
    log(LogEvent::note, text, acl::log_files_of(write.targets), id);
  }
}

void SmtpSession::apply(acl::AclEffects&& effects) {
  if (effects.queue_name) message_.queue_name = std::move(*effects.queue_name);
  header_edits_.take(effects);
  acl::AclControls& asked = effects.controls;
  controls_.queue_only |= asked.queue_only;
  controls_.freeze |= asked.freeze;
  controls_.freeze_no_tell |= asked.freeze_no_tell;
  if (asked.submission) {
    controls_.submission = true;
    controls_.submission_sender_retain |= asked.submission_sender_retain;
    if (asked.submission_domain) controls_.submission_domain = std::move(asked.submission_domain);
    if (!asked.submission_name.empty())
      controls_.submission_name = std::move(asked.submission_name);
  }
  controls_.suppress_local_fixups |= asked.suppress_local_fixups;
  if (asked.utf8_downconvert) controls_.utf8_downconvert = asked.utf8_downconvert;
  controls_.no_pipelining |= asked.no_pipelining;
  controls_.no_multiline_responses |= asked.no_multiline_responses;
  controls_.no_delay_flush |= asked.no_delay_flush;
  if (asked.fakedefer) controls_.fakedefer = std::move(asked.fakedefer);
  if (asked.fakereject) controls_.fakereject = std::move(asked.fakereject);
  if (asked.enforce_sync) engine_.set_enforce_sync(*asked.enforce_sync);
}

// What the engine has refused and the log tells whatever smtp_syntax_error and its kin say; empty
// for the rest.
std::string SmtpSession::refusal_line(std::string_view text) {
  const smtp::Fault fault = engine_.fault();
  const std::string host = host_text();
  const std::string name(smtp::verb_row(engine_.verb()).name);
  switch (engine_.verb()) {
    case smtp::Verb::helo:
    case smtp::Verb::ehlo: {
      if (fault != smtp::Fault::syntax) return {};
      const std::string_view line = engine_.command_line();
      const std::string said(trim(line.substr(std::min(line.find_first_of(" \t"), line.size()))));
      return "rejected " + name + " from " + host.substr(2) +
             ": syntactically invalid argument(s): " +
             (said.empty() ? "(no argument given)" : escape_control(said));
    }
    case smtp::Verb::mail:
      if (fault == smtp::Fault::protocol && engine_.limits().require_helo && helo_name_.empty())
        return "rejected MAIL from " + host.substr(2) + ": no HELO/EHLO given";
      if (fault == smtp::Fault::limit && selects(config::LogSelector::size_reject))
        return "rejected MAIL FROM:<" + std::string(engine_.mail().path.address) + "> " + host +
               ": message too big: size=" + std::to_string(engine_.mail().size) +
               " max=" + std::to_string(engine_.limits().message_size_limit);
      return {};
    case smtp::Verb::rcpt:
      if (fault != smtp::Fault::limit || std::exchange(recipients_limit_told_, true)) return {};
      return std::string("too many recipients: ") +
             (engine_.limits().recipients_max_reject ? "message" : "excess temporarily") +
             " rejected: sender=<" + sender_ + "> " + host;
    case smtp::Verb::data:
    case smtp::Verb::bdat: {
      if (fault != smtp::Fault::limit || incoming_.id.empty()) return {};
      std::string why(text);
      if (text == smtp::named_reply(ReplyId::message_too_big).text) {
        if (!selects(config::LogSelector::size_reject)) return {};
        why = "message too big: read=" + std::to_string(engine_.body().bytes) +
              " max=" + std::to_string(engine_.limits().message_size_limit);
      }
      return incoming_.id.to_string() + " rejected from <" + sender_ + "> " + host + ": " + why;
    }
    default:
      return {};
  }
}

// Why the server ends a session.
std::string SmtpSession::closing_line(const std::string& why) const {
  const std::string host = host_text();
  if (!why.starts_with("too many")) {
    std::string text = why + ": rejected connection from " + host;
    if (engine_.fault() == smtp::Fault::synchronization)
      text += " input=\"" + escape_control(engine_.unread().substr(0, 100)) + "\"";
    return text;
  }
  if (why.starts_with("too many messages")) return "rejected MAIL command " + host + ": " + why;
  std::string text = "SMTP call from " + host.substr(2) + " dropped: " + why;
  // The same place as Exim's, whose two blanks programs that read logs know.
  if (why.starts_with("too many syntax or protocol errors") && text.ends_with(')'))
    text.insert(text.size() - 1, ",  " + commands_text());
  return text;
}

// A recipient that is accepted and thrown away.
void SmtpSession::log_discarded(std::string_view recipient, std::string_view acl,
                                std::string_view why) {
  std::string text = host_text() + " F=<" + sender_ + "> RCPT <" + std::string(recipient) +
                     ">: discarded by " + std::string(acl) + " ACL";
  if (!why.empty()) text += ": " + std::string(why);
  log(LogEvent::rejected, text, LogFiles::main_and_reject);
}

void SmtpSession::log_rejection(AclWhere where, const acl::AclOutcome& outcome,
                                std::string_view subject) {
  std::string text;
  if (!incoming_.id.empty()) text += incoming_.id.to_string() + " ";
  text += host_text() + tls_text();
  const bool has_sender = where == AclWhere::rcpt || where == AclWhere::data ||
                          where == AclWhere::mime || where == AclWhere::not_smtp;
  if (has_sender) text += " F=<" + sender_ + ">";
  text += outcome.verdict == AclVerdict::defer ? " temporarily rejected " : " rejected ";
  text += rejected_what(where, subject);
  // Of several lines the log has the first.
  if (!outcome.log_message.empty())
    text += ": " + outcome.log_message.substr(0, outcome.log_message.find('\n'));
  if (outcome.log_reject_targets != 0)
    log(LogEvent::rejected, text, acl::log_files_of(outcome.log_reject_targets));
}

}  // namespace godwit::daemon
