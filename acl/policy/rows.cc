// Verbs, conditions and modifiers, and the functions behind them.
#include "acl/policy/rows.h"

#include "acl/policy/conditions.h"
#include "acl/policy/run.h"
#include "acl/policy/statement.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/values.h"
#include "protocol/message/address_syntax.h"

#include <algorithm>
#include <array>

namespace godwit::acl {
namespace {

using enum AclWhere;

// --- Conditions ----------------------------------------------------------------------------------

Answer run_acl(AclRun& run, const AclCondition& condition, const std::string&) {
  return run.call(condition.call);
}

Answer run_condition(AclRun& run, const AclCondition&, const std::string& value) {
  const auto truth = truth_of(trim(value));
  if (!truth) return run.defer("invalid \"condition\" value " + quoted(value));
  return *truth ? Answer::yes : Answer::no;
}

Answer run_domains(AclRun& run, const AclCondition& condition, const std::string&) {
  const AddressFacts* address = run.context().address;
  if (address == nullptr) return run.error("there is no recipient for \"domains\"");
  return run.match(condition, {address->domain, std::nullopt, {}}, &run.context().domain_data);
}

Answer run_local_parts(AclRun& run, const AclCondition& condition, const std::string&) {
  const AddressFacts* address = run.context().address;
  if (address == nullptr) return run.error("there is no recipient for \"local_parts\"");
  // As it came: lists ignore the case until +caseful.
  const std::string text = address->original_local_part.empty()
                               ? address->local_part
                               : message::unquote_local_part(address->original_local_part);
  return run.match(condition, {text, std::nullopt, {}}, &run.context().local_part_data);
}

Answer run_hosts(AclRun& run, const AclCondition& condition, const std::string&) {
  ListSubject subject;
  if (const ConnectionFacts* connection = run.context().connection) {
    if (connection->sender_host) subject.address = connection->sender_host->address;
    subject.host_name = connection->sender_host_name;
    subject.is_client = true;
  }
  return run.match(condition, subject, &run.context().host_data);
}

std::string_view sender_of(AclRun& run) {
  const MessageFacts* message = run.context().message;
  return message == nullptr ? std::string_view() : std::string_view(message->sender_address);
}

Answer run_senders(AclRun& run, const AclCondition& condition, const std::string&) {
  return run.match(condition, {sender_of(run), std::nullopt, {}}, &run.context().sender_data);
}

Answer run_sender_domains(AclRun& run, const AclCondition& condition, const std::string&) {
  const std::string_view sender = sender_of(run);
  const size_t at = sender.rfind('@');
  const std::string_view domain =
      at == std::string_view::npos ? std::string_view() : sender.substr(at + 1);
  return run.match(condition, {domain, std::nullopt, {}}, nullptr);
}

Answer run_recipients(AclRun& run, const AclCondition& condition, const std::string&) {
  const AddressFacts* address = run.context().address;
  if (address == nullptr) return run.error("there is no recipient for \"recipients\"");
  const std::string& local_part =
      address->original_local_part.empty() ? address->local_part : address->original_local_part;
  const std::string text = local_part + "@" + address->domain;
  return run.match(condition, {text, std::nullopt, {}}, &run.context().recipient_data);
}

Answer run_authenticated(AclRun& run, const AclCondition& condition, const std::string&) {
  const ConnectionFacts* connection = run.context().connection;
  if (connection == nullptr || connection->sender_host_authenticated.empty()) return Answer::no;
  return run.match(condition, {connection->sender_host_authenticated, std::nullopt, {}}, nullptr);
}

Answer run_encrypted(AclRun& run, const AclCondition& condition, const std::string&) {
  const ConnectionFacts* connection = run.context().connection;
  if (connection == nullptr || connection->tls_in.cipher.empty()) return Answer::no;
  return run.match(condition, {connection->tls_in.cipher, std::nullopt, {}}, nullptr);
}

// --- Modifiers -----------------------------------------------------------------------------------

Answer run_add_header(AclRun& run, const AclCondition&, const std::string& value) {
  add_headers(run, value);
  return Answer::yes;
}

Answer run_remove_header(AclRun& run, const AclCondition&, const std::string& value) {
  for (std::string& name : config::split_list(value)) {
    if (!name.empty()) run.effects().headers_removed.push_back(std::move(name));
  }
  return Answer::yes;
}

Answer run_continue(AclRun&, const AclCondition&, const std::string&) {
  return Answer::yes;
}

Answer run_control(AclRun& run, const AclCondition&, const std::string& value) {
  const ControlText control = parse_control(value);
  if (control.row == nullptr) return run.error("syntax error in \"control=" + value + "\"");
  if ((control.row->legal & where_bit(run.where())) == 0) {
    return run.error("cannot use \"control=" + value + "\" in " +
                     std::string(acl_where_name(run.where())) + " ACL");
  }
  if (control.row->apply == nullptr) return Answer::yes;  // the load has warned
  AclControls& controls = run.effects().controls;
  if (control.row->apply(controls, control.options)) {
    run.context().is_local_part_caseful = controls.caseful_local_part.value_or(false);
    return Answer::yes;
  }
  return run.error("syntax error in \"control=" + value + "\"");
}

Answer run_delay(AclRun& run, const AclCondition&, const std::string& value) {
  const Result<Seconds> time = config::parse_time(trim(value));
  if (!time) {
    return run.error("syntax error in argument for \"delay\" modifier: " + quoted(value) +
                     " is not a time value");
  }
  const int64_t seconds = std::min(time->count, kAclDelaySecondsMax);
  run.effects().delay.count += seconds * 1000;
  return Answer::yes;
}

Answer run_endpass(AclRun&, const AclCondition&, const std::string&) {
  return Answer::yes;
}

Answer run_log_reject_target(AclRun& run, const AclCondition&, const std::string& value) {
  const auto targets = parse_log_targets(value, ':');
  if (!targets) return run.error("unknown log name in " + quoted(value) + " for log_reject_target");
  run.outcome().log_reject_targets = *targets;
  return Answer::yes;
}

// queue = name
Answer run_queue(AclRun& run, const AclCondition&, const std::string& value) {
  if (value.find('/') != std::string::npos)
    return run.error("Directory separator not permitted in queue name: '" + value + "'");
  if (value.find_first_of(" \t\n") != std::string::npos)
    return run.error("a queue name has no blank in it: '" + value + "'");
  run.outcome().effects.queue_name = value;
  run.context().findings.queue_name = value;
  return Answer::yes;
}

// logwrite = :main,reject: text
Answer run_logwrite(AclRun& run, const AclCondition&, const std::string& value) {
  std::string_view text = value;
  LogWrite line;
  if (text.starts_with(':')) {
    const size_t end = text.find(':', 1);
    if (end == std::string_view::npos) return run.error("a colon is missing in " + quoted(value));
    const auto targets = parse_log_targets(text.substr(1, end - 1), ',');
    if (!targets) return run.error("unknown log name in " + quoted(value) + " in logwrite");
    if (*targets != 0) line.targets = *targets;
    text.remove_prefix(end + 1);
  }
  line.text = std::string(trim_left(text));
  run.effects().log_writes.push_back(std::move(line));
  return Answer::yes;
}

Answer run_set(AclRun& run, const AclCondition& condition, const std::string& value) {
  EvalContext& context = run.context();
  AclVariables* table =
      condition.variable[4] == 'c' ? context.connection_variables : context.message_variables;
  if (table != nullptr) {
    table->insert_or_assign(condition.variable, AclValue(value, run.is_value_tainted()));
  }
  return Answer::yes;
}

// message and log_message are expanded where the statement ends.
Answer run_message(AclRun&, const AclCondition&, const std::string&) {
  return Answer::yes;
}

constexpr WhereMask kMessageWheres =
    only({mail, rcpt, predata, data, mime, prdr, not_smtp, dkim, not_smtp_start});
constexpr WhereMask kWithBody = only({data, prdr, not_smtp});
constexpr WhereMask kSenderKnown =
    all_but({auth, connect, helo, mailauth, quit, etrn, expn, starttls, vrfy});
constexpr WhereMask kSpf =
    all_but({auth, connect, helo, mailauth, etrn, expn, starttls, vrfy, not_smtp, not_smtp_start});
constexpr auto kNoList = ListKind::domain;
using enum ValueShape;

// clang-format off
// name, modifier, shape, kind of list, where it is legal, function, documentation
constexpr auto kRows = std::to_array<AclRow>({
    {"acl", false, call, kNoList, kAnywhere, run_acl, "another ACL accepts"},
    {"add_header", true, expanded, kNoList, kMessageWheres, run_add_header, "adds header lines"},
    {"atrn_domains", false, list, ListKind::domain, only({atrn}), nullptr, "domains of ATRN"},
    {"authenticated", false, list, ListKind::domain, all_but({not_smtp, not_smtp_start, connect, helo}), run_authenticated, "the client authenticated"},
    {"bmi_optin", true, expanded, kNoList, only({rcpt, not_smtp}), nullptr, "Brightmail"},
    {"condition", false, expanded, kNoList, kAnywhere, run_condition, "a text is true"},
    {"continue", true, expanded, kNoList, kAnywhere, run_continue, "expands a text for its effects"},
    {"control", true, expanded, kNoList, kAnywhere, run_control, "changes how the message is handled"},
    {"dcc", false, expanded, kNoList, kWithBody, nullptr, "DCC"},
    {"decode", false, expanded, kNoList, only({mime}), nullptr, "decodes a MIME part"},
    {"delay", true, expanded, kNoList, all_but({notquit}), run_delay, "waits"},
    {"dk_domain_source", false, expanded, kNoList, only({data}), nullptr, "DomainKeys"},
    {"dk_policy", false, expanded, kNoList, only({data}), nullptr, "DomainKeys"},
    {"dk_sender_domains", false, list, ListKind::domain, only({data}), nullptr, "DomainKeys"},
    {"dk_sender_local_parts", false, list, ListKind::local_part, only({data}), nullptr, "DomainKeys"},
    {"dk_senders", false, list, ListKind::address, only({data}), nullptr, "DomainKeys"},
    {"dk_status", false, expanded, kNoList, only({data}), nullptr, "DomainKeys"},
    {"dkim_signers", false, list, ListKind::domain, only({dkim}), nullptr, "signer of a DKIM signature"},
    {"dkim_status", false, list, ListKind::domain, only({dkim, data, mime, prdr}), nullptr, "result of a DKIM signature"},
    {"dmarc_status", false, list, ListKind::domain, only({data}), nullptr, "result of DMARC"},
    {"dnslists", false, expanded, kNoList, kAnywhere, run_dnslists, "DNS lists"},
    {"domains", false, list, ListKind::domain, only({rcpt, vrfy, prdr}), run_domains, "domain of the recipient"},
    {"encrypted", false, list, ListKind::domain, all_but({not_smtp, not_smtp_start, connect}), run_encrypted, "the connection has TLS"},
    {"endpass", true, none, kNoList, kAnywhere, run_endpass, "what fails from here on denies"},
    {"hosts", false, list, ListKind::host, all_but({not_smtp, not_smtp_start}), run_hosts, "the client"},
    {"local_parts", false, list, ListKind::local_part, only({rcpt, vrfy, prdr}), run_local_parts, "local part of the recipient"},
    {"log_message", true, text, kNoList, kAnywhere, run_message, "text for the log"},
    {"log_reject_target", true, expanded, kNoList, kAnywhere, run_log_reject_target, "logs for rejections"},
    {"logwrite", true, expanded, kNoList, kAnywhere, run_logwrite, "writes to the log"},
    {"malware", false, expanded, kNoList, kWithBody, nullptr, "virus scanning"},
    {"message", true, text, kNoList, kAnywhere, run_message, "text for the client"},
    {"mime_regex", false, expanded, kNoList, only({mime}), nullptr, "regular expressions over a MIME part"},
    {"queue", true, expanded, kNoList, all_but({not_smtp, prdr, data}), run_queue, "named queue"},
    {"ratelimit", false, expanded, kNoList, kAnywhere, run_ratelimit, "rate limits"},
    {"recipients", false, list, ListKind::address, only({rcpt}), run_recipients, "the recipient"},
    {"regex", false, expanded, kNoList, kWithBody | only({mime}), nullptr, "regular expressions over the message"},
    {"remove_header", true, expanded, kNoList, kMessageWheres, run_remove_header, "removes header lines"},
    {"seen", false, expanded, kNoList, kAnywhere, run_seen, "seen before"},
    {"sender_domains", false, list, ListKind::domain, kSenderKnown, run_sender_domains, "domain of the sender"},
    {"senders", false, list, ListKind::address, kSenderKnown, run_senders, "the sender"},
    {"set", true, ValueShape::set, kNoList, kAnywhere, run_set, "sets an ACL variable"},
    {"spam", false, expanded, kNoList, kWithBody, nullptr, "spam scanning"},
    {"spf", false, list, ListKind::domain, kSpf, nullptr, "result of SPF"},
    {"spf_guess", false, list, ListKind::domain, kSpf, nullptr, "result of SPF with a guessed record"},
    {"udpsend", true, expanded, kNoList, kAnywhere, run_udpsend, "sends a UDP packet"},
    {"verify", false, expanded, kNoList, kAnywhere, run_verify, "verification"},
});

// name, verb, endpass, message when true, message when false, where it is legal, documentation
constexpr auto kVerbs = std::to_array<VerbRow>({
    {"accept", Verb::accept, true, true, true, kAnywhere, "accepts"},
    {"defer", Verb::defer, false, true, false, kAnywhere, "refuses for now"},
    {"deny", Verb::deny, false, true, false, kAnywhere, "refuses"},
    {"discard", Verb::discard, true, true, true, only({mail, rcpt, data, mime, dkim, prdr, not_smtp}), "accepts and throws away"},
    {"drop", Verb::drop, false, true, false, all_but({mailauth}), "refuses and closes the connection"},
    {"require", Verb::require, false, false, true, kAnywhere, "refuses unless"},
    {"warn", Verb::warn, false, true, false, kAnywhere, "goes on after its modifiers"},
});
// clang-format on

}  // namespace

std::span<const VerbRow> verb_rows() noexcept {
  return kVerbs;
}
std::span<const AclRow> acl_rows() noexcept {
  return kRows;
}

std::string_view acl_where_name(AclWhere where) noexcept {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"connection",     "EHLO or HELO", "AUTH",     "MAIL", "MAILAUTH", "RCPT",
       "PREDATA",        "DATA",         "MIME",     "DKIM", "PRDR",     "ETRN",
       "EXPN",           "VRFY",         "STARTTLS", "QUIT", "not-QUIT", "non-SMTP",
       "non-SMTP-start", "WELLKNOWN",    "ATRN"});
  static_assert(kNames.size() == kAclWhereCount);
  return kNames[static_cast<size_t>(where)];
}

}  // namespace godwit::acl
