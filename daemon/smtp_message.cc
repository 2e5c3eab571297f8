// SmtpSession: a message on its way in: body pieces into the spool's writer, the DATA ACL, the
// header section, the commit, the answer.
#include "acl/policy/message_id_words.h"
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "daemon/arrival_fields.h"
#include "daemon/explain_keeper.h"
#include "daemon/queue_only_file.h"
#include "daemon/rewriting.h"
#include "daemon/sender_claims.h"
#include "daemon/smtp_session.h"
#include "delivery/queue/log_lines.h"
#include "delivery/queue/message_key.h"
#include "protocol/message/fixups.h"
#include "protocol/message/line_ends.h"
#include "protocol/message/submission_mode.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace godwit::daemon {
namespace {

using smtp::ReplyId;

std::string endpoint_text(const std::optional<Endpoint>& at) {
  return at ? at->to_string() : std::string();
}

}  // namespace

void SmtpSession::forget_transaction() {
  incoming_ = Incoming();
  recipients_.clear();
  sender_.clear();
  message_ = acl::MessageFacts();
  message_variables_.clear();
  evaluation_.findings.message_rates.clear();
  evaluation_.findings.queue_name.reset();
  evaluation_.findings.verified_senders.clear();
  sender_failure_told_ = recipients_limit_told_ = false;
  warnings_.clear();
  asks_.forget();
  header_edits_.clear();
  evaluation_.headers_added.clear();
  const bool no_pipelining = controls_.no_pipelining;
  const bool no_multiline = controls_.no_multiline_responses;
  controls_ = acl::AclControls();
  controls_.no_pipelining = no_pipelining;
  controls_.no_multiline_responses = no_multiline;
  dsn_envid_.clear();
  dsn_ret_ = smtp::DsnReturn::unspecified;
  auth_sender_.clear();
  mail_discarded_.reset();
  data_discarded_.reset();
  eight_bit_ = smtputf8_ = false;
}

Task<void> SmtpSession::on_body_start() {
  const Judgement judgement = co_await ask(acl::AclWhere::predata, sender_);
  if (judgement.verdict != acl::AclVerdict::accept) {
    if (judgement.drop) {
      engine_.reply_and_close(judgement.reply, {});
    } else {
      engine_.reply(judgement.reply);
    }
    co_return;
  }
  InboundServices services = inbound_.services();
  incoming_ = Incoming();
  incoming_.began = services.loop.clock().wall();
  incoming_.id = services.ids.next(incoming_.began);
  incoming_.writer = services.store.begin(delivery::key_of(incoming_.id));
  message_.id = incoming_.id.text();
  if (inbound_.config().delivery->reads_body)
    incoming_.body_ends.emplace(inbound_.options().message_body_visible);
  if (engine_.is_chunked()) {
    engine_.accept_chunks();
  } else {
    smtp::ReplyView go_ahead = smtp::named_reply(ReplyId::data_go_ahead);
    if (!judgement.message.empty()) go_ahead.text = judgement.message;
    engine_.reply(go_ahead);
  }
}

// The header section is kept apart, since lines are added to it; the body goes to the writer.
Task<void> SmtpSession::on_body_chunk(std::string_view bytes) {
  if (incoming_.failure || !incoming_.writer) co_return;
  std::string_view body = bytes;
  if (!incoming_.head_done) {
    incoming_.head.append(bytes);
    const message::HeaderScanner& scanner = engine_.headers();
    if (!scanner.header_ended()) co_return;
    incoming_.head_done = true;
    body = std::string_view(incoming_.head)
               .substr(std::min<size_t>(scanner.body_offset(), incoming_.head.size()));
  }
  if (!body.empty()) {
    if (incoming_.body_ends) incoming_.body_ends->feed(body);
    const Result<void> appended = co_await incoming_.writer->append(body);
    if (!appended) incoming_.failure.emplace(appended.error());
  }
  const uint64_t head_bytes = engine_.headers().header_bytes();
  if (incoming_.head.size() > head_bytes) incoming_.head.resize(head_bytes);
}

Task<void> SmtpSession::on_body_end() {
  const message::HeaderScanner& scanner = engine_.headers();
  if (!incoming_.head_done)
    incoming_.head.resize(std::min<size_t>(incoming_.head.size(), scanner.header_bytes()));
  if (!incoming_.head.empty() && !incoming_.head.ends_with('\n')) incoming_.head += "\r\n";
  message_.size = static_cast<int64_t>(engine_.body().bytes);
  message_.body_lines = static_cast<int64_t>(scanner.body_lines());
  message_.body_zeros = static_cast<int64_t>(scanner.zero_bytes());
  message_.longest_line = static_cast<int64_t>(scanner.line_bytes_longest());
  message_.received_at = inbound_.services().loop.clock().wall();
  message_.lines =
      std::count(incoming_.head.begin(), incoming_.head.end(), '\n') + 1 + message_.body_lines;
  if (incoming_.writer)
    message_.body_bytes =
        static_cast<int64_t>(incoming_.writer->body_bytes()) - message_.body_lines;
  if (incoming_.body_ends) {
    const bool newlines = inbound_.options().message_body_newlines;
    message_.body_start = incoming_.body_ends->start(newlines);
    message_.body_end = incoming_.body_ends->end(newlines);
  }

  if (controls_.submission && !incoming_.failure) {
    auto fixing = [this] {
      fix_submission();
      return true;
    };
    co_await on_fiber(fixing);
  }
  co_await rewrite_addresses();
  remove_delivery_fields(header_fields(), inbound_.options(), header_edits_);
  auto received_line = [this] {
    const bool is_worded = inbound_.expressions().received_text != nullptr;
    return is_worded ? worded_received_line() : native_received_line();
  };
  incoming_.received = co_await on_fiber(received_line);
  incoming_.is_whole = true;
  if (!co_await ask_recipients()) {
    forget_transaction();
    co_return;
  }
  if (!co_await ask_data_acl()) {
    forget_transaction();
    co_return;
  }
  if (incoming_.failure) {
    log(LogEvent::spool,
        "F=<" + sender_ + "> temporarily refused: " + incoming_.failure->to_string(),
        LogFiles::main_and_panic);
    engine_.reply({452, "4.3.1", "Space shortage, please try later"});
    forget_transaction();
    co_return;
  }
  co_await commit();
  forget_transaction();
}

// control = submission: the header section is completed, and the sender is who authenticated.
void SmtpSession::fix_submission() {
  const config::MainOptions& options = inbound_.options();
  const acl::ServerFacts& facts = inbound_.config().facts;
  message::SubmissionMode mode;
  mode.sender_retain = controls_.submission_sender_retain;
  mode.checks_from = options.local_from_check;
  mode.domain = controls_.submission_domain;
  mode.name = controls_.submission_name;
  mode.authenticated_id = connection_.authenticated_id;
  mode.sender = sender_;
  mode.qualify_domain = facts.qualify_domain;
  acl::MessageIdWords words = acl::message_id_words(*inbound_.config().policy, context());
  for (const std::string& problem : words.problems)
    log(LogEvent::configuration, problem, LogFiles::main_and_panic);
  mode.message_id_domain = std::move(words.domain);
  mode.message_id_text = std::move(words.text);
  mode.id = incoming_.id;
  mode.now = message_.received_at;
  mode.utc = inbound_.config().log_style.utc;
  message::SubmittedHeaders fixed = message::apply_submission_mode(incoming_.head, mode);
  if (fixed.sender != sender_) {
    log(LogEvent::note,
        "\"" + sender_ + "\" from env-from rewritten as \"" + fixed.sender +
            "\" by submission mode",
        LogFiles::main);
    sender_ = std::move(fixed.sender);
    message_.sender_address = sender_;
  }
  incoming_.head = std::move(fixed.section);
  scan_header_fields();
}

// Where the fields stand in a header section that we changed.
void SmtpSession::scan_header_fields() {
  message::HeaderScanner scanner;
  scanner.feed(incoming_.head);
  scanner.finish();
  incoming_.rewritten_fields = scanner.fields();
}

// `begin rewrite`: the envelope first, then the header section.
Task<void> SmtpSession::rewrite_addresses() {
  const rewrite::RewriteRules& rules = *inbound_.config().delivery->rewrite;
  if (rules.empty()) co_return;
  auto rewriting = [&] {
    RewrittenMessage text{sender_, {}, incoming_.head, false, {}};
    for (const EnvelopeRecipient& recipient : recipients_)
      text.recipients.push_back(recipient.address);
    rewrite_message(rules, context(), text);
    return text;
  };
  RewrittenMessage done = co_await on_fiber(rewriting);
  tell_rewriting(done.notes);
  incoming_.as_sent.emplace(sender_, recipients_);
  sender_ = std::move(done.sender);
  message_.sender_address = sender_;
  message_.recipients = done.recipients;
  for (size_t i = 0; i < recipients_.size(); ++i)
    recipients_[i].address = std::move(done.recipients[i]);
  if (!done.headers_changed) co_return;
  incoming_.head = std::move(done.headers);
  scan_header_fields();
}

// Of a message: lines with its id.
void SmtpSession::tell_rewriting(const rewrite::RewriteNotes& notes) {
  Log& lines = inbound_.services().log;
  const std::string_view id = incoming_.id.empty() ? std::string_view() : message_.id;
  for (const std::string& problem : notes.problems)
    lines.panic(LogEvent::configuration, id, problem);
  if (!selects(config::LogSelector::address_rewrite)) return;
  for (const std::string& change : notes.changes) lines.main(LogEvent::note, id, change);
}

// The fields of the header section as it is now.
const std::vector<message::FieldPlace>& SmtpSession::header_fields() const noexcept {
  if (!incoming_.rewritten_fields.empty()) return incoming_.rewritten_fields;
  return engine_.headers().fields();
}

// False, and answered, where the message is refused.
Task<bool> SmtpSession::ask_data_acl() {
  const acl::AclWhere where = origin_.is_batch ? acl::AclWhere::not_smtp : acl::AclWhere::data;
  const bool is_set = inbound_.config().policy->acl(where).is_set();
  if (!is_set || recipients_.empty()) co_return true;
  show_header_section();
  Judgement judgement = co_await ask(acl::AclWhere::data, {});
  if (judgement.verdict == acl::AclVerdict::accept) co_return true;
  if (judgement.verdict == acl::AclVerdict::discard) {
    data_discarded_ = std::move(judgement.log_message);
    co_return true;
  }
  co_return answer(judgement, {});
}

// What ACLs see of the message: with our Received: line, and as the ACLs so far have changed it.
void SmtpSession::show_header_section() {
  message_.headers = header_edits_.apply(incoming_.received, incoming_.head, header_fields());
  header_edits_.merge();
  evaluation_.headers_added.clear();
}

// The Received: line as the operator words it; the date is ours (EXIM.md 1.12). Empty: none.
std::string SmtpSession::worded_received_line() {
  const acl::EvalResult text = inbound_.expressions().received_text->evaluate(context());
  if (!text.ok()) {
    log(LogEvent::configuration, "failed to expand received_header_text: " + text.text,
        LogFiles::main_and_panic);
    return native_received_line();
  }
  if (text.text.empty()) return {};
  std::string out;
  message::append_with_crlf(text.text, out);
  return out + ";\r\n\t" +
         format_rfc5322_time(message_.received_at, inbound_.config().log_style.utc) + "\r\n";
}

std::string SmtpSession::native_received_line() const {
  message::ReceivedFacts facts;
  message::RemoteHostFacts remote;
  std::string ip;
  std::string rcvhost;
  if (origin_.peer) {
    ip = origin_.peer->address.to_string();
    remote.ip = ip;
    remote.name = connection_.sender_host_name;
    remote.helo = helo_name_;
    remote.ident = connection_.sender_ident;
    rcvhost = message::sender_rcvhost(remote);
    facts.rcvhost = rcvhost;
  } else {
    facts.ident = connection_.sender_ident;
    facts.helo_name = helo_name_;
  }
  const acl::ServerFacts& server = inbound_.config().facts;
  facts.host = server.primary_hostname;
  facts.protocol = connection_.received_protocol;
  facts.tls_version = connection_.tls_in.version;
  facts.tls_cipher = connection_.tls_in.cipher_std;
  facts.program = kProgramName;
  facts.version = kVersion;
  facts.sender = sender_;
  facts.id = incoming_.id.text();
  if (recipients_.size() == 1) facts.received_for = recipients_.front().address;
  facts.date = message_.received_at;
  facts.utc = inbound_.config().log_style.utc;
  return message::received_field(facts);
}

Envelope SmtpSession::make_envelope() const {
  const message::HeaderScanner& scanner = engine_.headers();
  Envelope envelope;
  envelope.message_id = incoming_.id.text();
  envelope.sender = sender_;
  envelope.recipients = recipients_;
  envelope.received = message_.received_at;
  envelope.receive_millis =
      static_cast<uint64_t>(std::max<int64_t>(0, (message_.received_at - incoming_.began).count));
  envelope.submitter_login = origin_.login;
  envelope.submitter_uid = origin_.uid;
  envelope.submitter_gid = origin_.gid;
  envelope.helo_name = helo_name_;
  envelope.host_address = endpoint_text(origin_.peer);
  envelope.host_name = connection_.sender_host_name;
  envelope.interface_address = endpoint_text(origin_.local);
  envelope.active_hostname = inbound_.config().facts.smtp_active_hostname;
  envelope.protocol = connection_.received_protocol;
  envelope.ident = connection_.sender_ident;
  envelope.auth_sender = auth_sender_.empty() ? origin_.claimed.auth_sender : auth_sender_;
  envelope.auth_id = origin_.claimed.auth_id;
  envelope.auth_name = origin_.claimed.authenticator;
  envelope.tls_cipher = connection_.tls_in.cipher;
  envelope.tls_version = connection_.tls_in.version;
  envelope.tls_peer_dn = connection_.tls_in.peer_dn;
  envelope.tls_sni = connection_.tls_in.sni;
  envelope.body_lines = scanner.body_lines();
  envelope.body_zeros = scanner.zero_bytes();
  envelope.line_bytes_max = scanner.line_bytes_longest();
  envelope.body_8bit = eight_bit_ || scanner.has_8bit();
  envelope.smtputf8 = smtputf8_;
  envelope.utf8_downconvert = smtputf8_ && controls_.utf8_downconvert == 1;
  envelope.utf8_downconvert_if = smtputf8_ && controls_.utf8_downconvert == -1;
  envelope.has_bare_line_ends = engine_.body().bare_line_ends;
  envelope.is_local = !origin_.peer;
  envelope.frozen_at_start = controls_.freeze;
  envelope.queue_name = message_.queue_name;
  envelope.queue_only = controls_.queue_only || origin_.queue_only ||
                        (inbound_.options().queue_only && !origin_.overrides_queue_only);
  envelope.dsn_ret = dsn_ret_ == smtp::DsnReturn::full      ? DsnRet::full
                     : dsn_ret_ == smtp::DsnReturn::headers ? DsnRet::headers
                                                            : DsnRet::unset;
  envelope.dsn_envid = dsn_envid_;
  for (const auto& [name, value] : connection_variables_)
    envelope.variables.push_back({name, value.text, value.tainted});
  for (const auto& [name, value] : message_variables_)
    envelope.variables.push_back({name, value.text, value.tainted});
  return envelope;
}

// smtp_incomplete_transaction: what a client began and did not finish.
void SmtpSession::log_incomplete(std::string_view why) {
  const bool has_begun = !sender_.empty() || !recipients_.empty();
  if (!has_begun || !selects(config::LogSelector::smtp_incomplete_transaction)) return;
  std::string text =
      host_text() + " incomplete transaction (" + std::string(why) + ") from <" + sender_ + ">";
  if (!recipients_.empty()) text += " for";
  for (const EnvelopeRecipient& recipient : recipients_) text += " " + recipient.address;
  log(LogEvent::connection, text);
}

std::string SmtpSession::arrival_line(const Envelope& envelope) const {
  using config::LogSelector;
  std::string line;
  line.reserve(160);
  line += controls_.fakereject || controls_.fakedefer ? "(= " : "<= ";
  line += sender_.empty() ? "<>" : sender_;
  if (!origin_.claimed.reference.empty()) line += " R=" + origin_.claimed.reference;
  if (origin_.peer) {
    if (selects(LogSelector::dnssec) && connection_.sender_host_dnssec.value_or(false))
      line += " DS";
    line += ' ';
    line += host_text();
    if (selects(LogSelector::incoming_interface)) line += " I=" + envelope.interface_address;
    line += delivery::fast_open_field(origin_.fast_open);
  } else {
    line += " U=" + connection_.sender_ident;
  }
  line += connection_id_field();
  line += " P=" + envelope.protocol;
  if (selects(LogSelector::pipelining) && engine_.offered(smtp::Extension::pipelining)) {
    line += " L";
    if (engine_.was_early()) {
      line += '*';
    } else if (engine_.offered(smtp::Extension::pipe_connect)) {
      line += '.';
    }
    if (!engine_.was_pipelined()) line += '-';
  }
  line += tls_text();
  line += authentication_field(origin_.claimed);
  if (!incoming_.prdr_result.empty()) line += " PRDR";
  if (engine_.body().chunked) line += " K";
  line += " S=" + std::to_string(envelope.message_bytes);
  if (selects(LogSelector::bit_8bitmime)) line += eight_bit_ ? " M8S=8" : " M8S=0";
  if (!envelope.queue_name.empty()) line += " Q=" + envelope.queue_name;
  if (selects(LogSelector::receive_time)) {
    line += " RT=" + delivery::format_duration(message_.received_at - incoming_.began,
                                               selects(LogSelector::millisec));
  }
  const bool made_message_id = !engine_.headers().has(message::FieldKind::message_id);
  ArrivalFacts facts{incoming_.head, header_fields(), made_message_id, sender_, recipients_};
  if (incoming_.as_sent) {
    facts.sender = incoming_.as_sent->sender;
    facts.recipients = incoming_.as_sent->recipients;
  }
  return line + arrival_fields(facts, inbound_.options().log_selector);
}

// A message of which nothing is kept: its recipients were thrown away.
void SmtpSession::tell_discarded(const std::string& id, std::string_view arrival) {
  Log& lines = inbound_.services().log;
  lines.main(LogEvent::arrival, id, arrival);
  std::string why = "RCPT";
  if (mail_discarded_) why = "MAIL";
  if (data_discarded_) why = "DATA";
  why = "=> blackhole (" + why + " ACL discarded recipients)";
  if (data_discarded_ && !data_discarded_->empty()) why += ": " + *data_discarded_;
  lines.main(LogEvent::delivery, id, why);
  lines.main(LogEvent::completed, id, "Completed");
}

Task<void> SmtpSession::commit() {
  give_facts();
  InboundServices services = inbound_.services();
  const std::string id = incoming_.id.to_string();
  std::string headers =
      header_edits_.apply(std::move(incoming_.received), incoming_.head, header_fields());
  Envelope envelope = make_envelope();
  envelope.message_bytes =
      headers.size() + delivery::MessageContent::kEmptyLine.size() + incoming_.writer->body_bytes();
  if (data_discarded_ || recipients_.empty()) {
    tell_discarded(id, arrival_line(envelope));
    engine_.reply({250, "2.6.0", "OK id=" + id});
    ++messages_accepted_;
    co_return;
  }
  const std::string& files = inbound_.options().queue_only_file;
  if (!files.empty() && !origin_.overrides_queue_only) {
    auto looking = [&files] { return exists_any_of(files); };
    const bool holds = co_await blocking(inbound_.services().loop, looking);
    envelope.queue_only = envelope.queue_only || holds;
  }
  std::string line = arrival_line(envelope);
  std::string encoded = encode_envelope(envelope);
  Result<spool::StoredMessage> stored =
      co_await incoming_.writer->commit(std::move(encoded), std::move(headers));
  if (!stored) {
    log(LogEvent::spool, id + " F=<" + sender_ + "> not accepted: " + stored.error().to_string(),
        LogFiles::main_and_panic);
    engine_.reply({452, "4.3.1", "Space shortage, please try later"});
    co_return;
  }
  services.log.main(LogEvent::arrival, id, line,
                    {{"sender", sender_},
                     {"host", envelope.host_address},
                     {"helo", helo_name_},
                     {"protocol", envelope.protocol},
                     {"bytes", std::to_string(envelope.message_bytes)}});
  ++messages_accepted_;
  std::string text = "OK id=" + id;
  if (!incoming_.prdr_result.empty())
    text = "id=" + id + " message " + std::string(incoming_.prdr_result);
  if (controls_.fakereject) {
    engine_.reply(
        {550, "5.7.0",
         controls_.fakereject->empty()
             ? std::string_view(
                   "Your message has been rejected but is being kept for evaluation.\nIf it was a "
                   "legitimate message, it may still be delivered to the target recipient(s).")
             : std::string_view(*controls_.fakereject)});
  } else if (controls_.fakedefer) {
    engine_.reply(
        {450, "4.7.0",
         controls_.fakedefer->empty()
             ? std::string_view(
                   "Your message has been rejected but is being kept for evaluation.\nIf it was a "
                   "legitimate message, it may still be delivered to the target recipient(s).")
             : std::string_view(*controls_.fakedefer)});
  } else {
    engine_.reply({250, "2.0.0", text});
  }
  why_queued_ =
      inbound_.pressure().why_queued_after(std::move(why_queued_), connection_.connections_at_start,
                                           messages_accepted_ - 1, evaluation_.trace);
  const bool hold = !why_queued_.empty();
  if (hold && selects(config::LogSelector::delay_delivery))
    services.log.main(LogEvent::note, id, why_queued_);
  if (origin_.is_test) {
    std::fputs("\n**** SMTP testing: that is not a real message id!\n\n", stderr);
    co_return;
  }
  if (origin_.record != nullptr) {
    recorded_id_ = incoming_.id.to_string();
    services.explain->follow(recorded_id_);
  }
  services.queue.accepted(std::move(*stored), std::move(envelope), hold);
}

}  // namespace godwit::daemon
