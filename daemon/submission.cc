// Mail from local processes: -bs and -bS (SMTP on standard input), and -bm and -t (a message on
// standard input). The message goes into a shard of this process, durable before the command says
// so; then a running daemon takes it over, or it is delivered from here.
#include "protocol/message/submission.h"

#include "core/config/values.h"
#include "core/io/clock.h"
#include "core/io/fiber.h"
#include "core/io/machine.h"
#include "core/io/stdio_stream.h"
#include "daemon/arrival_fields.h"
#include "daemon/blocking_log.h"
#include "daemon/commands.h"
#include "daemon/explain_keeper.h"
#include "daemon/from_line.h"
#include "daemon/header_edits.h"
#include "daemon/local_shard.h"
#include "daemon/queue_only_file.h"
#include "daemon/rewriting.h"
#include "daemon/smtp_session.h"
#include "daemon/submitter.h"
#include "daemon/trace_text.h"
#include "delivery/queue/message_key.h"
#include "protocol/message/body_ends.h"
#include "protocol/message/fixups.h"
#include "protocol/message/header_scan.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

namespace godwit::daemon {
namespace {

// Whether what is submitted here waits for a queue run. -odb and -odi override queue_only and
// queue_only_file, as far as queue_only_override lets them.
bool is_queue_only(const CommandLine& line, const ServerConfig& config) {
  const config::MainOptions& options = config.options();
  if (line.delivery == DeliveryMode::queue_only) return true;
  const bool is_overridden = line.delivery_given && options.queue_only_override;
  if (!is_overridden && (options.queue_only || exists_any_of(options.queue_only_file))) return true;
  if (options.queue_only_load.thousandths < 0) return false;
  const SystemClock clock;
  return SystemMachine(clock).load_thousandths() > options.queue_only_load.thousandths;
}

// After the message is on disk: a daemon takes it over, or this process goes on and delivers it.
int hand_over(const CommandLine& line, const ConfigPointer& config, const std::string& shard,
              DeliveryMode mode) {
  if (mode == DeliveryMode::queue_only) {
    tell_daemon_to_adopt(*config);  // which keeps it until a queue run
    return 0;
  }
  if (mode == DeliveryMode::background) {
    if (tell_daemon_to_adopt(*config)) return 0;
    const pid_t child = fork();
    if (child != 0) return child > 0 ? 0 : 1;
    setsid();
  }
  Debugging debugging(line.debug, *config->document.sources);
  LocalShard local(config, debugging.attempts());
  if (!local.open(shard)) return 0;  // a daemon was quicker
  local.deliver();
  local.close();
  if (mode == DeliveryMode::background) _exit(0);
  return 0;
}

Task<bool> converse(Inbound& inbound, StdioStream& stream, SessionOrigin origin, bool& clean) {
  SmtpSession session(inbound, stream, std::move(origin));
  co_await session.run();
  clean = !session.had_errors();
  co_return session.messages_accepted() > 0;
}

Task<bool> join(ExplainKeeper& keeper) {
  co_await keeper.join();
  co_return true;
}

}  // namespace

int submit_smtp(const CommandLine& line, const ConfigPointer& config) {
  const std::string shard_name = own_shard_name();
  const std::unique_ptr<ConnectionCounts> counts = ConnectionCounts::make_private();
  bool clean = true;
  bool accepted = false;
  {
    LocalShard shard(config);
    const Result<void> opened = shard.open(shard_name);
    if (!opened) {
      std::fprintf(stderr, "godwit: cannot write the spool: %s\n",
                   opened.error().to_string().c_str());
      return 1;
    }
    const Submitter who = find_submitter(line, config, shard);
    SessionOrigin origin;
    origin.login = who.login;
    origin.uid = getuid();
    origin.gid = getgid();
    origin.is_batch = line.mode == Mode::batch_smtp;
    origin.overrides_queue_only = line.delivery_given && config->options().queue_only_override &&
                                  line.delivery != DeliveryMode::queue_only;
    StdioStream stream(origin.is_batch);
    ExplainKeeper keeper(shard.loop(), *config->document.sources, config->spool_directory,
                         config->explain_share);
    const InboundServices services{shard.loop(),
                                   shard.store(),
                                   shard.queue(),
                                   shard.log(),
                                   shard.ids(),
                                   *counts,
                                   shard.evaluators().get(),
                                   shard.tls_contexts(),
                                   shard.evaluators().names().hosts(),
                                   nullptr,
                                   config->explain_share > 0 ? &keeper : nullptr};
    Inbound inbound(config, services);
    std::unique_ptr<acl::TraceRecord> record;
    if (services.explain != nullptr) {
      record = services.explain->begin_connection();
      origin.trace = origin.record = record.get();
    }
    accepted = shard.wait(converse(inbound, stream, std::move(origin), clean));
    shard.wait(join(keeper));
  }
  if (accepted) hand_over(line, config, shard_name, line.delivery);
  return clean || line.mode == Mode::smtp ? 0 : 1;
}

namespace {

// What a record calls the way of a message through ACLs and rewriting.
constexpr std::string_view kSubmitting = "local submission";
constexpr int64_t kPollMillisMax = 60'000;

// All of it; timed_out where it has not ended after `timeout`, unless that is zero.
Result<std::string> read_standard_input(Seconds timeout) {
  const SystemClock clock;
  const Instant deadline = timeout.count == 0 ? Instant::never() : clock.now() + Millis(timeout);
  std::string input;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    if (timeout.count != 0) {
      const Millis left = deadline - clock.now();
      pollfd watched{STDIN_FILENO, POLLIN, 0};
      const auto wait = std::clamp<int64_t>(left.count, 0, kPollMillisMax);
      const int ready = ::poll(&watched, 1, static_cast<int>(wait));
      if (ready == 0 && left.count <= 0) return Error(Errc::timed_out, "standard input");
      if (ready <= 0) continue;
    }
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno(errno, "read standard input");
    if (got == 0) return input;
    input.append(buffer.data(), static_cast<size_t>(got));
  }
}

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
                                              const Submitter& who) {
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

std::string received_of(const ServerConfig& config, const Submitter& who,
                        const Envelope& envelope) {
  message::ReceivedFacts facts;
  facts.ident = who.login;
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
std::string arrival_line(const Envelope& envelope, const Submitter& who, const std::string& told) {
  return "<= " + (envelope.sender.empty() ? std::string("<>") : envelope.sender) +
         " U=" + who.login + " P=" + envelope.protocol +
         " S=" + std::to_string(envelope.message_bytes) + told;
}

Envelope envelope_of(const CommandLine& line, const ServerConfig& config,
                     const message::Submission& submission, const Submitter& who,
                     const message::SubmissionOptions& options) {
  Envelope envelope;
  envelope.message_id = options.id.text();
  envelope.sender = submission.sender;
  for (const std::string& recipient : submission.recipients)
    envelope.recipients.push_back({recipient, {}, {}, 0});
  envelope.received = options.now;
  envelope.submitter_login = who.login;
  envelope.submitter_uid = getuid();
  envelope.submitter_gid = getgid();
  envelope.ident = line.sender_ident.empty() ? who.login : line.sender_ident;
  envelope.protocol = line.received_protocol.empty() ? "local" : line.received_protocol;
  envelope.is_local = true;
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

// `begin rewrite`: the envelope and the header section.
void rewrite_addresses(LocalShard& shard, const ServerConfig& config, Envelope& envelope,
                       message::Submission& submission, acl::Trace* trace) {
  const rewrite::RewriteRules& rules = *config.delivery->rewrite;
  if (rules.empty()) return;
  acl::ConnectionFacts connection;
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
bool passes_acls(LocalShard& shard, const ServerConfig& config, const Submitter& who,
                 Envelope& envelope, const message::Submission& submission, std::string visible,
                 acl::Trace* trace, HeaderEdits& edits) {
  const acl::CompiledPolicy& policy = *config.policy;
  acl::ConnectionFacts connection;
  connection.sender_ident = envelope.ident;
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
      header =
          rejected_envelope(envelope.sender, envelope.recipients) +
          edits.lettered(received_of(config, who, envelope), submission.headers, scanner.fields());
    }
    const std::string reason =
        outcome.log_message.empty() ? "Administrative prohibition" : outcome.log_message;
    shard.log().write(
        {LogEvent::rejected,
         LogFiles::main_and_reject,
         envelope.message_id,
         "U=" + who.login + " F=<" + envelope.sender + "> rejected by non-SMTP ACL: " + reason,
         {},
         header});
    if (outcome.verdict == acl::AclVerdict::discard) return false;
    std::fprintf(stderr, "godwit: the message was rejected: %s\n", reason.c_str());
    return false;
  }
  for (const auto& [name, value] : connection_variables)
    envelope.variables.push_back({name, value.text, value.tainted});
  for (const auto& [name, value] : message_variables)
    envelope.variables.push_back({name, value.text, value.tainted});
  return true;
}

}  // namespace

int submit_message(const CommandLine& line, const ConfigPointer& config) {
  if (line.arguments.empty() && !line.recipients_from_headers) {
    std::fprintf(stderr, "godwit: recipients are missing: name them, or use -t\n");
    return 1;
  }
  const std::string shard_name = own_shard_name();
  {
    LocalShard shard(config);
    const Submitter who = find_submitter(line, config, shard);
    message::SubmissionOptions options = submission_options(line, *config, who);
    const WallTime began = SystemClock().wall();
    const Result<std::string> input = read_standard_input(config->options().receive_timeout);
    if (!input) {
      tell_unread(input.error(), *config);
      return 1;
    }
    options.now = SystemClock().wall();
    options.id = shard.ids().next(options.now);
    options.message_id_domain = who.message_id.domain;
    options.message_id_text = who.message_id.text;
    const FromLinePattern pattern(config->options().uucp_from_pattern);
    message::FromLines from_lines(&pattern);
    std::string_view text = from_lines.feed(*input);
    if (text.empty()) text = from_lines.finish();
    ask_from_line(shard, *config, line, pattern, from_lines.last(), options);
    Result<message::Submission> submission = message::prepare_submission(text, options);
    if (!submission) {
      std::fprintf(stderr, "godwit: %s\n", submission.error().detail().c_str());
      return 1;
    }
    Envelope envelope = envelope_of(line, *config, *submission, who, options);
    envelope.receive_millis =
        static_cast<uint64_t>(std::max<int64_t>(0, (options.now - began).count));
    Debugging debugging(line.debug, *config->document.sources);
    acl::TraceRecord record(*config->document.sources, shard.loop().clock());
    const bool samples = debugging.trace() == nullptr && is_sampled(config->explain_share);
    acl::Trace* trace = samples ? &record : debugging.trace();
    acl::tell(trace, {acl::TraceKind::command_begin, {}, kSubmitting, {}, {}});
    const std::vector<EnvelopeRecipient> recipients_before = envelope.recipients;
    rewrite_addresses(shard, *config, envelope, *submission, trace);
    HeaderEdits edits;
    message::HeaderScanner scanner;
    scanner.feed(submission->headers);
    scanner.finish();
    remove_delivery_fields(scanner.fields(), config->options(), edits);
    std::string visible =
        edits.apply(received_of(*config, who, envelope), submission->headers, scanner.fields());
    if (!passes_acls(shard, *config, who, envelope, *submission, std::move(visible), trace, edits))
      return 1;
    acl::tell(trace, {acl::TraceKind::command_end, {}, {}, "accepted", {}});
    std::string headers =
        edits.apply(received_of(*config, who, envelope), submission->headers, scanner.fields());
    envelope.message_bytes = headers.size() + 2 + submission->body.size();
    const ArrivalFacts facts{submission->headers, scanner.fields(), submission->made_message_id,
                             submission->sender, recipients_before};
    std::string arrival =
        arrival_line(envelope, who, arrival_fields(facts, config->options().log_selector));
    const Result<void> opened = shard.open(shard_name);
    const Result<void> stored =
        opened ? shard.wait(store_message(shard, std::move(envelope), std::move(headers),
                                          std::move(submission->body), std::move(arrival)))
               : opened;
    if (!stored) {
      std::fprintf(stderr, "godwit: the message was not accepted: %s\n",
                   stored.error().to_string().c_str());
      return 1;
    }
    if (samples) keep_explanation(config->spool_directory, std::string(options.id.text()), record);
  }
  const bool holds = is_queue_only(line, *config);
  return hand_over(line, config, shard_name, holds ? DeliveryMode::queue_only : line.delivery);
}

}  // namespace godwit::daemon
