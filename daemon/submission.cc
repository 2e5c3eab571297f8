// Mail from local processes: -bm and -t, a message on standard input. The message goes into a shard
// of this process, durable before the command says so; then a running daemon takes it over, or it
// is delivered from here.
#include "protocol/message/submission.h"

#include "core/config/values.h"
#include "core/io/clock.h"
#include "core/io/fiber.h"
#include "daemon/arrival_fields.h"
#include "daemon/blocking_log.h"
#include "daemon/commands.h"
#include "daemon/explain_keeper.h"
#include "daemon/from_line.h"
#include "daemon/hand_over.h"
#include "daemon/header_edits.h"
#include "daemon/local_shard.h"
#include "daemon/rewriting.h"
#include "daemon/sender_claims.h"
#include "daemon/submission_input.h"
#include "daemon/submission_report.h"
#include "daemon/submitter.h"
#include "daemon/trace_text.h"
#include "delivery/queue/message_key.h"
#include "protocol/message/body_ends.h"
#include "protocol/message/fixups.h"
#include "protocol/message/header_scan.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace godwit::daemon {
namespace {

// What a record calls the way of a message through ACLs and rewriting.
constexpr std::string_view kSubmitting = "local submission";

// Half a message is none.
void tell_unread(const Error& why, const ServerConfig& config) {
  if (why.code() != Errc::timed_out) {
    std::fprintf(stderr, "godwit: %s - message abandoned\n", why.detail().c_str());
    return;
  }
  std::fputs("godwit: timed out while reading - message abandoned\n", stderr);
  if (config.options().log_selector.has(config::LogSelector::lost_incoming_connection)) {
    BlockingLog(config).main(LogEvent::connection_lost, "",
                             "timed out while reading local message");
  }
}

message::SubmissionOptions submission_options(const CommandLine& line, const ServerConfig& config,
                                              const Submitter& who, const SenderClaims& claims) {
  const config::MainOptions& options = config.options();
  message::SubmissionOptions out;
  out.dot_ends = !line.dot_is_text;
  out.recipients_from_headers = line.recipients_from_headers;
  out.removes_arguments = options.extract_addresses_remove_arguments;
  out.arguments = line.arguments;
  out.is_trusted = who.is_trusted;
  // Whoever is not trusted may say "<>", and what untrusted_set_sender has; else the sender is the
  // login (EXIM.md 4.1, -f).
  const bool is_bounce = line.sender.empty() || line.sender == "<>";
  if (line.sender_given && (out.is_trusted || who.may_set_sender || is_bounce))
    out.sender = line.sender;
  out.may_set_sender = who.may_set_sender;
  out.checks_from = options.local_from_check;
  out.retains_sender = options.local_sender_retain;
  out.from_prefixes = config::split_list(options.local_from_prefix);
  out.from_suffixes = config::split_list(options.local_from_suffix);
  out.login = who.login;
  // The user's name is not that of the sender that -f names.
  const bool is_own_name = line.full_name.empty() && !(out.is_trusted && line.sender_given);
  out.full_name = is_own_name ? who.full_name : line.full_name;
  out.is_of_host = claims.peer.has_value();
  out.qualify_domain = config.facts.qualify_domain;
  out.qualify_recipient = config.facts.qualify_recipient;
  out.utc = config.log_style.utc;
  out.header_bytes_max = static_cast<uint64_t>(std::max<int64_t>(0, options.header_maxsize));
  const Result<int64_t> size_limit = config::parse_integer(options.message_size_limit.text.text());
  if (size_limit) out.message_bytes_max = static_cast<uint64_t>(std::max<int64_t>(0, *size_limit));
  out.received_max =
      static_cast<uint32_t>(std::clamp<int64_t>(options.received_headers_max, 0, UINT32_MAX));
  return out;
}

std::string received_of(const ServerConfig& config, const SenderClaims& claims,
                        const Envelope& envelope) {
  message::ReceivedFacts facts;
  const std::string ip = claims.peer ? claims.peer->address.to_string() : std::string();
  const std::string rcvhost =
      claims.peer ? message::sender_rcvhost({claims.names.host_name, ip, {}, claims.names.ident, 0})
                  : std::string();
  facts.rcvhost = rcvhost;
  facts.ident = claims.names.ident;
  facts.host = config.facts.primary_hostname;
  facts.protocol = envelope.protocol;
  facts.program = kProgramName;
  facts.version = kVersion;
  facts.sender = envelope.sender;
  facts.id = envelope.message_id;
  if (envelope.recipients.size() == 1) facts.received_for = envelope.recipients.front().address;
  facts.date = envelope.received;
  facts.utc = config.log_style.utc;
  return message::received_field(facts);
}

Task<Result<void>> store_message(LocalShard& shard, Envelope envelope, std::string headers,
                                 std::string body, std::string arrival) {
  const message::MessageId id = co_await ok(message::MessageId::parse(envelope.message_id));
  const std::unique_ptr<spool::MessageWriter> writer = shard.store().begin(delivery::key_of(id));
  co_await ok(writer->append(body));
  spool::StoredMessage stored =
      co_await ok(writer->commit(encode_envelope(envelope), std::move(headers)));
  shard.log().main(LogEvent::arrival, envelope.message_id, arrival);
  shard.queue().accepted(std::move(stored), std::move(envelope), true);
  co_return Result<void>();
}

// The line of the main log; `told` is its end.
std::string arrival_line(const Envelope& envelope, const SenderClaims& claims,
                         const std::string& told) {
  std::string line = "<= " + (envelope.sender.empty() ? std::string("<>") : envelope.sender);
  if (!claims.names.reference.empty()) line += " R=" + claims.names.reference;
  if (claims.peer) {
    line += " H=";
    if (!claims.names.host_name.empty()) line += escape_control(claims.names.host_name) + " ";
    line += "[" + claims.peer->address.to_string() + "]";
  }
  return line + " U=" + escape_control(claims.names.ident) + " P=" + envelope.protocol +
         authentication_field(claims.names) + " S=" + std::to_string(envelope.message_bytes) + told;
}

Envelope envelope_of(const CommandLine& line, const ServerConfig& config,
                     const message::Submission& submission, const Submitter& who,
                     const SenderClaims& claims, const message::SubmissionOptions& options) {
  Envelope envelope;
  envelope.message_id = options.id.text();
  envelope.sender = submission.sender;
  for (const std::string& recipient : submission.recipients)
    envelope.recipients.push_back({recipient, {}, {}, 0});
  envelope.received = options.now;
  envelope.submitter_login = who.login;
  envelope.submitter_uid = getuid();
  envelope.submitter_gid = getgid();
  envelope.ident = claims.names.ident;
  envelope.protocol = claims.names.protocol.empty() ? "local" : claims.names.protocol;
  envelope.host_address = claims.peer ? claims.peer->to_string() : "";
  envelope.host_name = claims.names.host_name;
  envelope.interface_address = claims.local ? claims.local->to_string() : "";
  envelope.auth_name = claims.names.authenticator;
  // A local sender is who it is.
  const bool is_known = !claims.peer && !submission.sender.empty();
  envelope.auth_id = is_known ? who.login : "";
  envelope.auth_sender = is_known ? who.login + "@" + config.facts.qualify_domain : "";
  if (!claims.names.auth_id.empty()) envelope.auth_id = claims.names.auth_id;
  if (!claims.names.auth_sender.empty()) envelope.auth_sender = claims.names.auth_sender;
  envelope.is_local = !claims.peer;
  envelope.smtputf8 = submission.needs_smtputf8;
  envelope.queue_only = is_queue_only(line, config);
  message::HeaderScanner scanner;
  scanner.feed(submission.headers);
  scanner.feed("\r\n");
  scanner.feed(submission.body);
  scanner.finish();
  envelope.body_lines = scanner.body_lines();
  envelope.line_bytes_max = scanner.line_bytes_longest();
  envelope.body_8bit = scanner.has_8bit();
  return envelope;
}

Task<acl::AclOutcome> evaluate_acl(const acl::CompiledPolicy& policy, const acl::AclCall& call,
                                   acl::AclWhere where, acl::EvalContext& context) {
  auto evaluate = [&] { return policy.acls().evaluate(call, where, context); };
  co_return co_await on_fiber(evaluate);
}

Task<RewrittenMessage> rewrite_on_fiber(const rewrite::RewriteRules& rules,
                                        acl::EvalContext& context, RewrittenMessage text) {
  auto rewriting = [&] {
    rewrite_message(rules, context, text);
    return true;
  };
  co_await on_fiber(rewriting);
  co_return text;
}

Task<Result<std::string>> expand_from_line(const acl::CompiledPolicy& policy,
                                           const FromLinePattern& pattern, std::string_view line,
                                           acl::EvalContext& context) {
  auto expanding = [&] { return from_line_sender(policy, pattern, line, context); };
  co_return co_await on_fiber(expanding);
}

// A From line names the sender where the caller is trusted and did not say -f.
void ask_from_line(LocalShard& shard, const ServerConfig& config, const CommandLine& line,
                   const FromLinePattern& pattern, const std::string& from_line,
                   message::SubmissionOptions& options) {
  if (from_line.empty() || !options.is_trusted || line.sender_given) return;
  MessageServices asks(shard.evaluators().get());
  acl::EvalContext context;
  context.services = &asks.get();
  context.server = &config.facts;
  context.now = options.now;
  Result<std::string> sender =
      shard.wait(expand_from_line(*config.policy, pattern, from_line, context));
  if (sender) {
    options.from_line_sender = std::move(*sender);
    return;
  }
  shard.log().panic(LogEvent::configuration, "", sender.error().detail());
}

void tell_origin(const SenderClaims& claims, acl::ConnectionFacts& connection) {
  connection.sender_host = claims.peer;
  connection.interface = claims.local;
  connection.sender_host_name = claims.names.host_name;
  connection.sender_ident = claims.names.ident;
}

// `begin rewrite`: the envelope and the header section.
void rewrite_addresses(LocalShard& shard, const ServerConfig& config, const SenderClaims& claims,
                       Envelope& envelope, message::Submission& submission, acl::Trace* trace) {
  const rewrite::RewriteRules& rules = *config.delivery->rewrite;
  if (rules.empty()) return;
  acl::ConnectionFacts connection;
  tell_origin(claims, connection);
  connection.received_protocol = envelope.protocol;
  acl::MessageFacts facts;
  facts.id = envelope.message_id;
  facts.sender_address = envelope.sender;
  facts.headers = submission.headers;
  MessageServices asks(shard.evaluators().get());
  acl::EvalContext context;
  context.services = &asks.get();
  context.server = &config.facts;
  context.connection = &connection;
  context.message = &facts;
  context.trace = trace;
  context.now = envelope.received;
  RewrittenMessage text{envelope.sender, {}, submission.headers, false, {}};
  for (const EnvelopeRecipient& recipient : envelope.recipients)
    text.recipients.push_back(recipient.address);
  text = shard.wait(rewrite_on_fiber(rules, context, std::move(text)));
  for (const std::string& problem : text.notes.problems)
    shard.log().panic(LogEvent::configuration, envelope.message_id, problem);
  if (config.options().log_selector.has(config::LogSelector::address_rewrite)) {
    for (const std::string& change : text.notes.changes)
      shard.log().main(LogEvent::note, envelope.message_id, change);
  }
  envelope.sender = std::move(text.sender);
  for (size_t i = 0; i < envelope.recipients.size(); ++i)
    envelope.recipients[i].address = std::move(text.recipients[i]);
  submission.headers = std::move(text.headers);
}

// acl_not_smtp_start and acl_not_smtp. False: rejected, which was said. EXIM.md 2.3.
// `rejection` says why, where the sender is to be told.
bool passes_acls(LocalShard& shard, const ServerConfig& config, const SenderClaims& claims,
                 Envelope& envelope, const message::Submission& submission, std::string visible,
                 acl::Trace* trace, HeaderEdits& edits, std::string& rejection) {
  const acl::CompiledPolicy& policy = *config.policy;
  acl::ConnectionFacts connection;
  tell_origin(claims, connection);
  connection.received_protocol = envelope.protocol;
  acl::MessageFacts facts;
  facts.id = envelope.message_id;
  facts.sender_address = envelope.sender;
  for (const EnvelopeRecipient& recipient : envelope.recipients)
    facts.recipients.push_back(recipient.address);
  facts.headers = std::move(visible);
  message::BodyEnds ends(config.options().message_body_visible);
  ends.feed(submission.body);
  facts.body_start = ends.start(config.options().message_body_newlines);
  facts.body_end = ends.end(config.options().message_body_newlines);
  facts.body_lines = std::count(submission.body.begin(), submission.body.end(), '\n');
  facts.body_bytes = static_cast<int64_t>(submission.body.size()) - facts.body_lines;
  facts.lines =
      std::count(submission.headers.begin(), submission.headers.end(), '\n') + 1 + facts.body_lines;
  facts.size = static_cast<int64_t>(submission.headers.size() + 2 + submission.body.size());
  facts.received_at = envelope.received;
  acl::AclVariables connection_variables;
  acl::AclVariables message_variables;
  MessageServices asks(shard.evaluators().get());
  acl::EvalContext context;
  context.services = &asks.get();
  context.server = &config.facts;
  context.connection = &connection;
  context.message = &facts;
  context.connection_variables = &connection_variables;
  context.message_variables = &message_variables;
  context.trace = trace;
  context.now = envelope.received;
  context.utc = config.log_style.utc;
  for (const acl::AclWhere where : {acl::AclWhere::not_smtp_start, acl::AclWhere::not_smtp}) {
    const acl::AclCall& call = policy.acl(where);
    if (!call.is_set()) continue;
    acl::AclOutcome outcome = shard.wait(evaluate_acl(policy, call, where, context));
    for (const acl::LogWrite& note : outcome.effects.log_writes)
      shard.log().main(LogEvent::note, envelope.message_id, note.text);
    edits.take(outcome.effects);
    envelope.queue_only = envelope.queue_only || outcome.effects.controls.queue_only;
    envelope.frozen_at_start = envelope.frozen_at_start || outcome.effects.controls.freeze;
    // What acl_not_smtp_start says beside its effects has no meaning.
    const bool accepts = outcome.verdict == acl::AclVerdict::accept;
    if (where == acl::AclWhere::not_smtp_start || accepts) continue;
    std::string header;
    if (config.options().log_selector.has(config::LogSelector::rejected_header)) {
      message::HeaderScanner scanner;
      scanner.feed(submission.headers);
      scanner.finish();
      header = rejected_envelope(envelope.sender, envelope.recipients) +
               edits.lettered(received_of(config, claims, envelope), submission.headers,
                              scanner.fields());
    }
    const std::string reason =
        outcome.log_message.empty() ? "Administrative prohibition" : outcome.log_message;
    shard.log().write({LogEvent::rejected,
                       LogFiles::main_and_reject,
                       envelope.message_id,
                       "U=" + claims.names.ident + " F=<" + envelope.sender +
                           "> rejected by non-SMTP ACL: " + reason,
                       {},
                       header});
    if (outcome.verdict != acl::AclVerdict::discard)
      rejection =
          outcome.user_message.empty() ? "Administrative prohibition" : outcome.user_message;
    return false;
  }
  for (const auto& [name, value] : connection_variables)
    envelope.variables.push_back({name, value.text, value.tainted});
  for (const auto& [name, value] : message_variables)
    envelope.variables.push_back({name, value.text, value.tainted});
  return true;
}

// What is wrong with the recipients of -t; the others get the message.
SubmissionFailure bad_recipients(const message::Submission& submission) {
  SubmissionFailure failure;
  failure.subject = "malformed recipient address";
  failure.sentence = "invalid address:";
  failure.text = "These recipients of the message below are no mail addresses:\r\n\r\n";
  for (const message::BadRecipient& bad : submission.bad_recipients) {
    failure.sentence += " " + bad.text + ": " + bad.why;
    failure.text += "  " + bad.text + ": " + bad.why + "\r\n";
  }
  failure.text += submission.recipients.empty() ? "\r\nThere are no others: nobody has got it.\r\n"
                                                : "\r\nIt is on its way to the others.\r\n";
  return failure;
}

InputLimits input_limits(const ServerConfig& config, const message::SubmissionOptions& options) {
  return {config.options().receive_timeout, options.message_bytes_max, options.dot_ends};
}

// One message, from standard input into the shard. Gives the exit status; `stored` where the shard
// has something to deliver.
class MessageSubmission {
 public:
  MessageSubmission(const CommandLine& line, const ConfigPointer& config, std::string shard_name)
      : line_(line), config_(config), shard_(config), shard_name_(std::move(shard_name)) {}

  int run(bool& stored);

 private:
  int take(SubmissionReporter& reporter, const message::SubmissionOptions& options,
           const SenderClaims& claims, message::Submission submission, WallTime began,
           std::string_view input);

  const CommandLine& line_;
  const ConfigPointer& config_;
  LocalShard shard_;
  std::string shard_name_;
  Submitter who_;
};

int MessageSubmission::run(bool& stored) {
  who_ = find_submitter(line_, config_, shard_);
  const Result<SenderClaims> claims = claims_of(line_, who_);
  if (!claims) {
    std::fprintf(stderr, "godwit: %s\n", claims.error().detail().c_str());
    return 1;
  }
  message::SubmissionOptions options = submission_options(line_, *config_, who_, *claims);
  const WallTime began = SystemClock().wall();
  const Result<std::string> input = read_standard_input(input_limits(*config_, options));
  if (!input) {
    tell_unread(input.error(), *config_);
    return 1;
  }
  options.now = SystemClock().wall();
  options.id = shard_.ids().next(options.now);
  options.message_id_domain = who_.message_id.domain;
  options.message_id_text = who_.message_id.text;
  const FromLinePattern pattern(config_->options().uucp_from_pattern);
  message::FromLines from_lines(&pattern);
  std::string_view text = from_lines.feed(*input);
  if (text.empty()) text = from_lines.finish();
  ask_from_line(shard_, *config_, line_, pattern, from_lines.last(), options);
  SubmissionReporter reporter(line_, config_, shard_, shard_name_,
                              message::submission_sender(options));
  const std::string id(options.id.text());
  Result<message::Submission> submission = message::prepare_submission(text, options);
  int status = 1;
  if (submission) {
    status = take(reporter, options, *claims, std::move(*submission), began, *input);
  } else if (submission.error().code() == Errc::invalid_argument) {
    std::fprintf(stderr, "godwit: %s\n", submission.error().detail().c_str());
  } else {
    if (submission.error().code() == Errc::not_found)
      shard_.log().main(LogEvent::note, id, "no recipients found in headers");
    status = reporter.tell(failure_of(submission.error()), *input, id);
  }
  stored = reporter.is_open();
  return status;
}

int MessageSubmission::take(SubmissionReporter& reporter, const message::SubmissionOptions& options,
                            const SenderClaims& claims, message::Submission submission,
                            WallTime began, std::string_view input) {
  const std::string id(options.id.text());
  if (!submission.bad_recipients.empty()) {
    shard_.log().main(LogEvent::note, id, "bad addresses found in headers");
    const int status = reporter.tell(bad_recipients(submission), input, id);
    if (submission.recipients.empty() || reporter.prints()) return status;
  }
  Envelope envelope = envelope_of(line_, *config_, submission, who_, claims, options);
  envelope.receive_millis =
      static_cast<uint64_t>(std::max<int64_t>(0, (options.now - began).count));
  Debugging debugging(line_.debug, *config_->document.sources);
  acl::TraceRecord record(*config_->document.sources, shard_.loop().clock());
  const bool samples = debugging.trace() == nullptr && is_sampled(config_->explain_share);
  acl::Trace* trace = samples ? &record : debugging.trace();
  acl::tell(trace, {acl::TraceKind::command_begin, {}, kSubmitting, {}, {}});
  const std::vector<EnvelopeRecipient> recipients_before = envelope.recipients;
  rewrite_addresses(shard_, *config_, claims, envelope, submission, trace);
  HeaderEdits edits;
  message::HeaderScanner scanner;
  scanner.feed(submission.headers);
  scanner.finish();
  remove_delivery_fields(scanner.fields(), config_->options(), edits);
  std::string visible =
      edits.apply(received_of(*config_, claims, envelope), submission.headers, scanner.fields());
  std::string rejection;
  if (!passes_acls(shard_, *config_, claims, envelope, submission, std::move(visible), trace, edits,
                   rejection)) {
    if (rejection.empty()) return 0;  // thrown away
    SubmissionFailure failure =
        failure_of(Error(Errc::permission_denied, "the message was rejected: " + rejection));
    failure.subject = "rejected by local configuration";
    return reporter.tell(failure, input, id);
  }
  acl::tell(trace, {acl::TraceKind::command_end, {}, {}, "accepted", {}});
  std::string headers =
      edits.apply(received_of(*config_, claims, envelope), submission.headers, scanner.fields());
  envelope.message_bytes = headers.size() + 2 + submission.body.size();
  const ArrivalFacts facts{submission.headers, scanner.fields(), submission.made_message_id,
                           submission.sender, recipients_before};
  std::string arrival =
      arrival_line(envelope, claims, arrival_fields(facts, config_->options().log_selector));
  const Result<void> opened = reporter.open();
  const Result<void> stored =
      opened ? shard_.wait(store_message(shard_, std::move(envelope), std::move(headers),
                                         std::move(submission.body), std::move(arrival)))
             : opened;
  if (!stored) {
    std::fprintf(stderr, "godwit: the message was not accepted: %s\n",
                 stored.error().to_string().c_str());
    return 1;
  }
  if (samples) keep_explanation(config_->spool_directory, id, record);
  return 0;
}

}  // namespace

int submit_message(const CommandLine& line, const ConfigPointer& config) {
  if (line.arguments.empty() && !line.recipients_from_headers) {
    std::fprintf(stderr, "godwit: recipients are missing: name them, or use -t\n");
    return 1;
  }
  const std::string shard_name = own_shard_name();
  bool stored = false;
  int status = 0;
  {
    MessageSubmission submission(line, config, shard_name);
    status = submission.run(stored);
  }
  if (!stored) return status;
  const bool holds = is_queue_only(line, *config);
  const int handed =
      hand_over(line, config, shard_name, holds ? DeliveryMode::queue_only : line.delivery);
  return status != 0 ? status : handed;
}

}  // namespace godwit::daemon
