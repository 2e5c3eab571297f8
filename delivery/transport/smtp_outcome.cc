#include "delivery/transport/smtp_outcome.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace godwit::delivery {
namespace {

FailureScope scope_of(smtp::OutcomeClass outcome) {
  switch (outcome) {
    case smtp::OutcomeClass::recipient_deferred:
    case smtp::OutcomeClass::recipient_failed:
      return FailureScope::recipient;
    case smtp::OutcomeClass::message_deferred:
    case smtp::OutcomeClass::message_failed:
      return FailureScope::message;
    case smtp::OutcomeClass::host_error:
    case smtp::OutcomeClass::host_failed:
    case smtp::OutcomeClass::in_doubt:
      return FailureScope::host;
    case smtp::OutcomeClass::delivered:
    case smtp::OutcomeClass::not_tried:
      break;
  }
  return FailureScope::none;
}

}  // namespace

retry::RetryError retry_error_of(const smtp::Outcome& outcome) {
  if (outcome.reply.code == 0) {
    return outcome.problem.find("timed out") != std::string::npos
               ? retry::RetryError::timeout
               : retry::RetryError::lost_connection;
  }
  // Whatever puts off a recipient is 4yz to rules, odd replies too.
  if (outcome.outcome == smtp::OutcomeClass::recipient_deferred &&
      outcome.command.find("RCPT") != std::string::npos)
    return retry::RetryError::rcpt_4xx;
  if (outcome.reply.digit() != 4) return retry::RetryError::other;
  if (outcome.command.find("RCPT") != std::string::npos) return retry::RetryError::rcpt_4xx;
  if (outcome.command.find("MAIL") != std::string::npos) return retry::RetryError::mail_4xx;
  if (outcome.command.find("dat") != std::string::npos ||
      outcome.command.find("DAT") != std::string::npos) {
    return retry::RetryError::data_4xx;
  }
  return retry::RetryError::other;
}

int error_number_of(const smtp::Outcome& outcome, retry::RetryError error) {
  switch (error) {
    case retry::RetryError::rcpt_4xx:
      return kErrorRcpt4xx;
    case retry::RetryError::mail_4xx:
      return kErrorMail4xx;
    case retry::RetryError::data_4xx:
      return kErrorData4xx;
    case retry::RetryError::timeout:
      return ETIMEDOUT;
    case retry::RetryError::lost_connection:
      return outcome.malformed.empty() ? kErrorConnectionLost : kErrorSmtpFormat;
    default:
      return outcome.reply.code == 0 ? kErrorConnectionLost : kErrorNone;
  }
}

namespace {

retry::HostSource source_of(const SmtpPeer& peer) {
  return peer.remote->is_mx ? retry::HostSource::mx : retry::HostSource::a;
}

std::string failure_text(const SmtpPeer& peer, const smtp::Outcome& from,
                         const std::string& reply) {
  if (from.reply.code == 0) {
    const bool timed_out = from.problem.find("timed out") != std::string::npos;
    if (timed_out) return "SMTP timeout after " + from.command;
    if (from.problem == "connection closed")
      return "Remote host closed connection in response to " + from.command;
    if (!from.malformed.empty())
      return "Malformed SMTP reply in response to " + from.command + ": " + from.malformed;
    return from.problem + " (remote mail server, after " + from.command + ")";
  }
  if (!from.is_of_recipient)
    return "SMTP error from remote mail server after " + from.command + ": " + reply;
  return (peer.is_lmtp ? "LMTP error after " : "PRDR error after ") + from.command + ": " + reply;
}

}  // namespace

std::string host_text(const RemoteInfo& remote) {
  return remote.host_name + " [" + remote.endpoint.address.to_string() + "]";
}

std::string one_line(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

DeliveryOutcome outcome_of(const SmtpPeer& peer, const smtp::Outcome& from) {
  DeliveryOutcome out;
  out.remote = peer.remote;
  out.scope = scope_of(from.outcome);
  if (from.outcome == smtp::OutcomeClass::delivered) {
    out.kind = OutcomeKind::delivered;
    out.confirmation = one_line(from.reply.full_text());
    if (!from.overall.empty()) out.confirmation += "\\n" + one_line(from.overall);
    return out;
  }
  const bool failed = from.outcome == smtp::OutcomeClass::recipient_failed ||
                      from.outcome == smtp::OutcomeClass::message_failed;
  out.kind = failed ? OutcomeKind::failed : OutcomeKind::deferred;
  out.unanswered = from.is_untouched;
  out.refused_session = from.outcome == smtp::OutcomeClass::host_failed;
  out.in_doubt = from.outcome == smtp::OutcomeClass::in_doubt;
  out.status = from.status;
  out.failure.error = retry_error_of(from);
  out.failure.smtp_code = from.reply.code;
  if (out.failure.error == retry::RetryError::rcpt_4xx)
    out.failure.smtp_code = 400 + from.reply.code % 100;
  out.failure.host_source = source_of(peer);
  out.error_number = error_number_of(from, out.failure.error);
  if (from.reply.code != 0) out.reply = one_line(from.reply.full_text());
  // Judged here: the message does not fit what the server offers.
  out.text = from.reply.code == 0 && failed ? from.problem : failure_text(peer, from, out.reply);
  return out;
}

DeliveryOutcome connect_failure(const SmtpPeer& peer, const Error& error, int system_error) {
  DeliveryOutcome out;
  out.remote = peer.remote;
  out.scope = FailureScope::host;
  out.unreached = true;
  out.failure.host_source = source_of(peer);
  switch (error.code()) {
    case Errc::connection_refused:
      out.failure.error = retry::RetryError::refused;
      out.error_number = ECONNREFUSED;
      break;
    case Errc::timed_out:
      out.failure.error = retry::RetryError::timeout_connect;
      out.error_number = ETIMEDOUT;
      break;
    case Errc::connection_reset:
      out.failure.error = retry::RetryError::lost_connection;
      out.error_number = ECONNRESET;
      break;
    case Errc::unreachable:
      out.error_number = EHOSTUNREACH;
      break;
    default:
      out.error_number = kErrorConnectionLost;
      break;
  }
  out.text =
      error.code() == Errc::timed_out ? "Connection timed out" : std::string(error.row().text);
  const bool is_known = out.failure.error != retry::RetryError::other;
  if (system_error != 0 && !is_known) {
    out.error_number = system_error;
    out.text = std::generic_category().message(system_error);
  }
  return out;
}

DeliveryOutcome tls_failure(const SmtpPeer& peer, int error_number, std::string text) {
  DeliveryOutcome out;
  out.remote = peer.remote;
  out.scope = FailureScope::host;
  out.failure.error = error_number == kErrorTlsRequired ? retry::RetryError::tls_required
                                                        : retry::RetryError::other;
  out.failure.host_source = source_of(peer);
  out.error_number = error_number;
  out.text = std::move(text);
  return out;
}

}  // namespace godwit::delivery
