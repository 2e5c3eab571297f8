// SmtpSession on standard input: what a batch (-bS) tells of its first error, which ends it, and
// how any session there ends where its input does.
#include "core/base/ascii.h"
#include "daemon/smtp_session.h"
#include "delivery/queue/log_lines.h"
#include "protocol/smtp/command.h"

#include <algorithm>
#include <array>

namespace godwit::daemon {
namespace {

using smtp::EventKind;
using smtp::ReplyId;

// Where a batch has other words than a dialogue.
struct BatchRow {
  ReplyId id;
  std::string_view reply;
};
// clang-format off
constexpr std::array kBatchRows{
    BatchRow{ReplyId::unrecognized,            "500 Command unrecognized"},
    BatchRow{ReplyId::starttls_not_advertised, "500 Command unrecognized"},
    BatchRow{ReplyId::auth_not_advertised,     "500 Command unrecognized"},
    BatchRow{ReplyId::bdat_not_advertised,     "500 Command unrecognized"},
    BatchRow{ReplyId::unexpected_argument,     "501 Unexpected argument data"},
    BatchRow{ReplyId::nul_character,           "501 Unexpected NULL in SMTP command"},
    BatchRow{ReplyId::sender_already_given,    "503 Sender already given"},
    BatchRow{ReplyId::sender_not_given,        "503 No sender yet given"},
    BatchRow{ReplyId::mail_needs_address,      "501 MAIL FROM must have an address operand"},
    BatchRow{ReplyId::rcpt_needs_address,      "501 RCPT TO must have an address operand"},
};
// clang-format on

size_t count_lines(std::string_view bytes) {
  return static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

// Commands that change nothing; what is wrong with them does not matter.
bool is_idle(smtp::Verb verb) {
  constexpr std::array kIdle{smtp::Verb::helo, smtp::Verb::ehlo, smtp::Verb::help,
                             smtp::Verb::noop, smtp::Verb::vrfy, smtp::Verb::expn,
                             smtp::Verb::etrn, smtp::Verb::quit};
  return std::find(kIdle.begin(), kIdle.end(), verb) != kIdle.end();
}

}  // namespace

uint64_t SmtpSession::batch_line() const {
  return lines_received_ - count_lines(engine_.unread());
}

void SmtpSession::fail_batch(std::string reply, std::string command, uint64_t line) {
  batch_failure_ = {std::move(reply), std::move(command), transaction_line_, line};
}

// True where the event was answered with an error.
bool SmtpSession::fails_batch(const smtp::Event& event, size_t output_before) {
  const EventKind kind = event.kind;
  const bool is_body = kind == EventKind::body_end || kind == EventKind::body_refused;
  if (kind == EventKind::need_input || kind == EventKind::body_chunk || kind == EventKind::path)
    return false;
  const bool changes_nothing = is_idle(engine_.verb()) && !is_body;
  if (engine_.last_code() < 400 || changes_nothing) {
    const bool begins_anew = changes_nothing || kind == EventKind::reset || is_body;
    if (begins_anew) transaction_line_ = batch_line();
    return false;
  }
  const std::string command = is_body ? std::string() : std::string(engine_.command_line());
  const std::string code = std::to_string(engine_.last_code()) + " ";
  fail_batch(
      kind == EventKind::error ? batch_words(code, event.text) : code + last_reply(output_before),
      command, batch_line());
  return true;
}

// The text of the reply to the last command; of several lines the last, which says what it is
// about.
std::string SmtpSession::last_reply(size_t output_before) const {
  std::string_view output = engine_.output();
  if (output.size() > output_before) output.remove_prefix(output_before);
  output = trim(output);
  const size_t end_of_others = output.rfind('\n');
  if (end_of_others != std::string_view::npos) output.remove_prefix(end_of_others + 1);
  return std::string(output.substr(std::min<size_t>(4, output.size())));
}

// What the engine has refused, as a batch says it.
std::string SmtpSession::batch_words(const std::string& code, std::string_view text) const {
  for (const BatchRow& row : kBatchRows) {
    if (smtp::named_reply(row.id).text == text) return std::string(row.reply);
  }
  if (engine_.verb() == smtp::Verb::data) {
    return engine_.in_transaction() ? "503 RCPT TO:<recipient> must precede DATA"
                                    : "503 MAIL FROM:<sender> command must precede DATA";
  }
  // The command is told beside it.
  const std::string_view line = engine_.command_line();
  const std::string_view argument =
      trim(line.substr(std::min(line.find(':'), line.size() - 1) + 1));
  for (const std::string_view subject : {argument, smtp::path_part(argument)}) {
    const std::string start = std::string(subject) + ": ";
    if (!subject.empty() && text.starts_with(start))
      return code + std::string(text.substr(start.size()));
  }
  return code + std::string(text);
}

// Standard input has ended, or nothing came for too long.
std::string SmtpSession::end_of_standard_input(bool timed_out) {
  const std::string& host = inbound_.config().facts.smtp_active_hostname;
  const bool in_data = incoming_.writer != nullptr;
  if (origin_.is_batch) {
    // Without an open message the end is as good as QUIT.
    const std::string reply =
        timed_out ? std::string("421 SMTP ") + (in_data ? "incoming data" : "command") + " timeout"
        : in_data ? "421 Lost incoming connection"
                  : std::string();
    if (!reply.empty()) fail_batch(reply, {}, batch_line() + (in_data ? 1 : 0));
    return {};
  }
  was_cut_off_ = true;
  if (timed_out) {
    return in_data ? "421 " + host + " SMTP incoming data timeout - closing connection."
                   : "421 " + host + ": SMTP command timeout - closing connection";
  }
  return in_data ? "421 Lost incoming connection" : "421 " + host + " lost input connection";
}

// lost_incoming_connection: the client is gone. Between messages nobody cares.
void SmtpSession::log_lost_client() {
  if (!selects(config::LogSelector::lost_incoming_connection)) return;
  const std::string host = host_text().substr(2);
  if (incoming_.writer) {
    log(LogEvent::connection_lost, "SMTP connection from " + host +
                                       " lost while reading message data" +
                                       (origin_.is_batch ? "" : " (after header)"));
    return;
  }
  const Millis duration = inbound_.services().loop.clock().wall() - connected_;
  log(LogEvent::connection_lost,
      std::string("unexpected ") + (origin_.peer ? "disconnection" : "EOF") +
          " while reading SMTP command from " + host +
          " D=" + delivery::format_duration(duration, selects(config::LogSelector::millisec)));
}

}  // namespace godwit::daemon
