// The dialogue itself: bytes and events. Admission and what is offered are in smtp_admission.cc,
// commands in smtp_commands.cc, messages in smtp_message.cc, ACLs and words in smtp_policy.cc.
#include "daemon/smtp_session.h"

#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "daemon/explain_keeper.h"

#include <algorithm>
#include <utility>

namespace godwit::daemon {
namespace {

// An idle session keeps no larger input buffer than this.
constexpr size_t kIdleInputBytesMax = 256;

using smtp::EventKind;
using smtp::ReplyId;

constexpr Seconds kLastWords{2};  // for the reply to a client when all must end

}  // namespace

SmtpSession::SmtpSession(Inbound& inbound, ByteStream& stream, SessionOrigin origin)
    : inbound_(inbound),
      plain_(stream),
      origin_(std::move(origin)),
      engine_(smtp::ServerLimits{}),
      asks_(inbound.services().asks),
      connected_(inbound.services().loop.clock().wall()) {
  connection_.sender_host = origin_.peer;
  connection_.interface = origin_.local;
  connection_.sender_host_name = origin_.claimed.host_name;
  connection_.sender_ident = origin_.claimed.ident;
  connection_.connection_id = inbound_.next_connection_id();
  evaluation_.services = &asks_.get();
  evaluation_.trace = origin_.trace;
  evaluation_.server = &inbound_.config().facts;
  evaluation_.connection = &connection_;
  evaluation_.client = &client_;
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
  return list->match(client_subject(), context()).match == acl::Match::yes;
}

void SmtpSession::stop() noexcept {
  stop_requested_ = true;
  if (waiting_for_command_) stream().interrupt_reads();
}

void SmtpSession::abort() noexcept {
  if (!is_reading_) return stream().close();
  stop_requested_ = true;
  stream().set_deadline(inbound_.services().loop.clock().now() + kLastWords);
  stream().interrupt_reads();
}

// --- Bytes ---------------------------------------------------------------------------------------

Task<bool> SmtpSession::flush() {
  if (!engine_.has_output()) co_return true;
  const std::string output = engine_.take_output();
  const Result<void> sent = co_await stream().write(output);
  co_return sent.has_value();
}

void SmtpSession::give_input(std::string_view bytes) {
  if (input_.capacity() < bytes.size()) input_ = PooledBytes(bytes.size());
  bytes.copy(input_.data(), bytes.size());
  engine_.receive({input_.data(), bytes.size()});
  if (origin_.is_batch)
    lines_received_ += static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

// Gets more input for the engine; false where there will be none.
Task<bool> SmtpSession::fill() {
  if (input_.capacity() > kIdleInputBytesMax) input_ = PooledBytes();
  stream().set_deadline(receive_timeout_.count == 0
                            ? Instant::never()
                            : inbound_.services().loop.clock().now() + receive_timeout_);
  waiting_for_command_ = !engine_.in_transaction();
  if (stop_requested_ && waiting_for_command_) stream().interrupt_reads();
  is_reading_ = true;
  const Result<std::string_view> got = co_await stream().read();
  is_reading_ = waiting_for_command_ = false;
  if (got && !got->empty()) {
    give_input(*got);
    co_return true;
  }
  co_await end_of_input(!got && got.error().code() == Errc::timed_out);
  co_return false;
}

// What is said and logged where no more comes.
Task<void> SmtpSession::end_of_input(bool timed_out) {
  const std::string& host = inbound_.config().facts.smtp_active_hostname;
  std::string reply;
  if (timed_out) {
    connection_.smtp_notquit_reason = incoming_.writer ? "data-timeout" : "command-timeout";
    const std::string client =
        origin_.peer || !incoming_.writer ? host_text().substr(2) : std::string("local process");
    log(LogEvent::connection_lost,
        incoming_.writer ? "SMTP data timeout (message abandoned) on connection from " + client +
                               " F=<" + sender_ + ">"
                         : "SMTP command timeout on connection from " + client);
    reply = "421 " + host + ": SMTP command timeout - closing connection";
  } else if (stop_requested_) {
    if (incoming_.writer)
      log(LogEvent::connection_lost, "message abandoned as the server ends, on connection from " +
                                         host_text().substr(2) + " F=<" + sender_ + ">");
    reply = "421 " + host + " Service not available, closing connection";
  } else if (engine_.in_transaction() || incoming_.writer) {
    const bool is_end_of_batch = origin_.is_batch && !incoming_.writer;
    if (!is_end_of_batch) log_lost_client();
  }
  if (origin_.is_stdio && !stop_requested_) reply = end_of_standard_input(timed_out);
  if (reply.empty()) co_return;
  reply += "\r\n";
  const Result<void> sent = co_await stream().write(reply);
  (void)sent;  // whoever fell silent may be gone
}

Task<void> SmtpSession::run() {
  tell(evaluation_.trace, {acl::TraceKind::command_begin, {}, {}, {}, {}});
  const bool admitted = co_await admit();
  if (!admitted) tell(evaluation_.trace, {acl::TraceKind::command_end, {}, {}, "refused", {}});
  if (admitted) {
    const bool is_ready = !origin_.tls_on_connect || co_await begin_tls_on_connect();
    const bool greeted = is_ready && co_await greet();
    tell(evaluation_.trace,
         {acl::TraceKind::command_end, {}, {}, greeted ? "greeted" : "refused", {}});
    if (greeted) co_await converse();
    if (selects(config::LogSelector::smtp_no_mail) && mails_seen_ == 0) {
      log(LogEvent::connection,
          "no MAIL in SMTP connection from " + host_text() + tls_text() + " " + commands_text());
    }
  }
  if (!failure_.name.empty()) co_await raise_failure();
  if (counted_) inbound_.services().counts.closed(origin_.peer->address);
  stream().close();
}

Task<void> SmtpSession::converse() {
  for (;;) {
    // A client may send a thousand commands in one piece.
    co_await yield_if_late(inbound_.services().loop);
    const size_t output_before = engine_.output().size();
    const smtp::Event event = engine_.next();
    if (event.kind == EventKind::need_input) {
      const bool sent = co_await flush();
      if (!recorded_id_.empty()) keep_record();
      if (!sent) break;
      const bool filled = co_await fill();
      if (!filled) break;
      continue;
    }
    const bool is_traced = evaluation_.trace != nullptr && event.kind != EventKind::body_chunk &&
                           event.kind != EventKind::close && event.kind != EventKind::path;
    bool goes_on = true;
    if (is_traced) {
      goes_on = co_await handle_traced(event, output_before);
    } else {
      goes_on = co_await handle(event);
    }
    if (!goes_on || (origin_.is_batch && fails_batch(event, output_before))) break;
  }
  log_incomplete(said_quit_ ? "QUIT" : "connection lost");
  if (incoming_.writer) forget_transaction();
  if (!said_quit_) co_await ask_notquit();
}

// acl_smtp_notquit: the session ends without QUIT. What the ACL says has no effect but its own.
Task<void> SmtpSession::ask_notquit() {
  if (!inbound_.config().policy->acl(acl::AclWhere::notquit).is_set()) co_return;
  if (connection_.smtp_notquit_reason.empty())
    connection_.smtp_notquit_reason = stop_requested_ ? "signal-exit" : "connection-lost";
  const Judgement judgement = co_await ask(acl::AclWhere::notquit, {});
  (void)judgement;
}

// One command for a trace: what was said, what was done, what was answered.
Task<bool> SmtpSession::handle_traced(const smtp::Event& event, size_t output_before) {
  if (origin_.record != nullptr) {
    // Each message begins behind what is of its connection.
    if (event.kind == EventKind::mail) origin_.record->truncate(record_start_);
  }
  const bool is_body_end =
      event.kind == EventKind::body_end || event.kind == EventKind::body_refused;
  const std::string command = is_body_end ? "." : std::string(engine_.command_line());
  tell(evaluation_.trace, {acl::TraceKind::command_begin, {}, command, {}, {}});
  const bool only_first_line = event.kind == EventKind::greeted;
  const bool goes_on = co_await handle(event);
  std::string_view output = engine_.output();
  // A delay may have sent what was there.
  if (output.size() >= output_before) output.remove_prefix(output_before);
  std::string reply;
  for (size_t at = 0; at < output.size();) {
    const size_t end = std::min(output.find("\r\n", at), output.size());
    reply += (reply.empty() ? "" : "; ") + std::string(output.substr(at, end - at));
    at = only_first_line ? output.size() : end + 2;
  }
  tell(evaluation_.trace, {acl::TraceKind::command_end, {}, {}, reply, {}});
  const bool is_of_connection =
      event.kind == EventKind::greeted || event.kind == EventKind::starttls;
  if (is_of_connection && origin_.record != nullptr) record_start_ = origin_.record->nodes().size();
  co_return goes_on;
}

// After the reply, so that nobody waits for it.
void SmtpSession::keep_record() {
  inbound_.services().explain->keep(recorded_id_, *origin_.record);
  recorded_id_.clear();
}

void SmtpSession::give_facts() {
  if (origin_.facts == nullptr) return;
  *origin_.facts = {connection_, message_, connection_variables_, message_variables_};
}

// False where the session is over.
Task<bool> SmtpSession::handle(const smtp::Event& event) {
  evaluation_.findings.command_rates.clear();
  const bool is_inquiry = event.kind == EventKind::verify || event.kind == EventKind::expand ||
                          event.kind == EventKind::etrn;
  if (origin_.is_batch && is_inquiry) {
    engine_.reply(ReplyId::noop_ok);  // nobody asks
    co_return true;
  }
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
      log_incomplete("RSET");
      forget_transaction();
      break;
    case EventKind::path:
      co_await on_path(event.text);
      break;
    case EventKind::verify: {
      const std::string argument(event.text);
      co_await on_vrfy(argument);
      break;
    }
    case EventKind::expand: {
      const std::string argument(event.text);
      co_await on_expn(argument);
      break;
    }
    case EventKind::etrn: {
      const std::string argument(event.text);
      co_await on_etrn(argument);
      break;
    }
    case EventKind::auth:
      engine_.reply(ReplyId::auth_not_advertised);
      break;
    case EventKind::starttls: {
      const bool goes_on = co_await on_starttls();
      if (!goes_on) co_return false;
      break;
    }
    case EventKind::quit: {
      const Judgement judgement = co_await ask(acl::AclWhere::quit, {});
      const std::string text =
          judgement.message.empty()
              ? inbound_.config().facts.smtp_active_hostname + " closing connection"
              : judgement.message;
      engine_.reply({221, "2.0.0", text});
      said_quit_ = true;
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
  if (!failure_.name.empty()) co_await raise_failure();
  if (event.kind == EventKind::path) co_return true;
  note_command(event.kind);
  co_return true;
}

void SmtpSession::note_command(EventKind kind) {
  const bool is_end_of_data = kind == EventKind::body_end || kind == EventKind::body_refused;
  if (is_end_of_data || engine_.verb() == smtp::Verb::unknown) return;
  commands_[command_count_++ % commands_.size()] = engine_.verb();
}

// "C=EHLO,MAIL,QUIT", of the last commands.
std::string SmtpSession::commands_text() const {
  const auto kept = static_cast<uint32_t>(commands_.size());
  std::string out = "C=";
  if (command_count_ > kept) out += "...";
  for (uint32_t n = command_count_ - std::min(command_count_, kept); n < command_count_; ++n) {
    if (!out.ends_with('=')) out += ',';
    out += smtp::verb_row(commands_[n % kept]).name;
  }
  return out;
}

Task<void> SmtpSession::on_close(std::string_view why) {
  const std::string reason(why);
  stream().expect_close();
  const bool sent = co_await flush();
  // Some clients end the connection right behind their QUIT, without the end of TLS.
  if (!sent && tls_ != nullptr && reason.empty() && selects(config::LogSelector::protocol_detail)) {
    log(LogEvent::connection,
        "[" + origin_.peer->address.to_string() +
            "] after QUIT, client reset TCP before SMTP response and TLS close");
  }
  if (!reason.empty()) {
    log(LogEvent::protocol_error, closing_line(reason), LogFiles::main_and_reject);
  } else if (is_connection_logged_) {
    log(LogEvent::connection, "SMTP connection from " + host_text().substr(2) +
                                  connection_id_field() + " closed by QUIT");
  }
}

// The main option event_action.
Task<std::string> SmtpSession::raise_event(std::string name, std::string data) {
  const acl::EventActions& actions = inbound_.config().policy->events();
  if (actions.empty()) co_return "";
  acl::EventFacts event{std::move(name), std::move(data), 0};
  co_return co_await actions.raise(std::move(event), context(), inbound_.services().log);
}

Task<void> SmtpSession::raise_failure() {
  const acl::EventFacts failure = std::exchange(failure_, {});
  co_await raise_event(failure.name, failure.data);
}

void SmtpSession::on_error(std::string_view text) {
  if (origin_.is_batch) return;  // who wrote it is told
  const smtp::Fault fault = engine_.fault();
  const bool is_syntax = fault == smtp::Fault::syntax;
  if (is_syntax || fault == smtp::Fault::protocol)
    failure_ = {is_syntax ? "smtp:fail:syntax" : "smtp:fail:protocol", std::string(text), 0};
  if (engine_.is_closing()) return;  // on_close() says it
  if (const std::string line = refusal_line(text); !line.empty()) {
    log(LogEvent::rejected, line, LogFiles::main_and_reject);
    return;
  }
  const std::string command = escape_control(engine_.command_line().substr(0, 200));
  if (fault == smtp::Fault::syntax && selects(config::LogSelector::smtp_syntax_error)) {
    log(LogEvent::protocol_error,
        "SMTP syntax error in \"" + command + "\" " + host_text() + " " + std::string(text));
  } else if (fault == smtp::Fault::protocol && selects(config::LogSelector::smtp_protocol_error)) {
    log(LogEvent::protocol_error,
        "SMTP protocol error in \"" + command + "\" " + host_text() + " " + std::string(text));
  }
}

}  // namespace godwit::daemon
