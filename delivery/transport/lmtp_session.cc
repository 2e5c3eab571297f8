#include "delivery/transport/lmtp_session.h"

#include "delivery/transport/smtp_outcome.h"
#include "protocol/smtp/dot_stuff.h"

#include <span>
#include <utility>

namespace godwit::delivery {
namespace {

smtp::ClientOptions engine_options(std::string helo_name) {
  smtp::ClientOptions out;
  out.helo_name = std::move(helo_name);
  out.lmtp = true;
  out.recipients_max = 0;  // batch_max has cut them
  return out;
}

}  // namespace

LmtpSession::LmtpSession(Loop& loop, ByteStream& stream, std::string helo_name, Seconds timeout)
    : loop_(loop),
      stream_(stream),
      engine_(engine_options(std::move(helo_name))),
      timeout_(timeout) {}

void LmtpSession::set_deadline() {
  stream_.set_deadline(timeout_.count == 0 ? Instant::never() : loop_.clock().now() + timeout_);
}

// Sends and receives until the engine has news other than "more input, please".
Task<smtp::ClientEvent> LmtpSession::pump() {
  for (;;) {
    const smtp::ClientEvent event = engine_.next();
    if (event.kind == smtp::ClientEventKind::send_body) co_return event;
    set_deadline();
    if (engine_.has_output()) {
      const std::string output = engine_.take_output();
      const Result<void> sent = co_await stream_.write(output);
      if (!sent && sent.error().code() == Errc::timed_out) engine_.timed_out();
      if (!sent && sent.error().code() != Errc::timed_out) engine_.peer_closed();
      if (!sent) continue;
    }
    if (event.kind != smtp::ClientEventKind::need_input) co_return event;
    const Result<std::string_view> got = co_await stream_.read();
    if (got && !got->empty()) {
      engine_.receive(*got);
    } else if (!got && got.error().code() == Errc::timed_out) {
      engine_.timed_out();
    } else {
      engine_.peer_closed();
    }
  }
}

Task<void> LmtpSession::send_body(std::string_view text) {
  const std::string commands = engine_.take_output();
  std::vector<std::string_view> segments;
  if (!commands.empty()) segments.push_back(commands);
  smtp::DotStuffer stuffer;
  stuffer.take(text, segments);
  stuffer.finish(segments);
  set_deadline();
  const Result<void> sent = co_await stream_.write(std::span<const std::string_view>(segments));
  if (sent) {
    engine_.body_sent();
  } else if (sent.error().code() == Errc::timed_out) {
    engine_.timed_out();
  } else {
    engine_.peer_closed();
  }
}

Task<std::vector<DeliveryOutcome>> LmtpSession::run(smtp::Transaction transaction,
                                                    std::string_view text) {
  const size_t count = transaction.recipients.size();
  smtp::ClientEvent event = co_await pump();
  if (event.kind == smtp::ClientEventKind::ready) {
    engine_.begin(std::move(transaction));
    event = co_await pump();
    while (event.kind == smtp::ClientEventKind::send_body) {
      co_await send_body(text);
      event = co_await pump();
    }
  }
  std::vector<DeliveryOutcome> out;
  const bool is_done = event.kind == smtp::ClientEventKind::transaction_done;
  for (size_t i = 0; i < count; ++i) {
    const bool is_known = is_done && i < engine_.outcomes().size();
    out.push_back(outcome_of(is_known ? engine_.outcomes()[i] : engine_.failure()));
  }
  if (is_done) event = co_await pump();
  if (event.kind == smtp::ClientEventKind::ready) {
    engine_.quit();
    co_await pump();
  }
  co_return out;
}

DeliveryOutcome LmtpSession::outcome_of(const smtp::Outcome& from) {
  DeliveryOutcome out;
  const std::string reply = from.reply.code == 0 ? "" : one_line(from.reply.full_text());
  if (from.outcome == smtp::OutcomeClass::delivered) {
    out.kind = OutcomeKind::delivered;
    out.confirmation = reply;
    return out;
  }
  const bool failed = from.outcome == smtp::OutcomeClass::recipient_failed ||
                      from.outcome == smtp::OutcomeClass::message_failed;
  out.kind = failed ? OutcomeKind::failed : OutcomeKind::deferred;
  out.scope = FailureScope::local;
  out.reply = reply;
  if (!reply.empty()) {
    out.text = "LMTP error after " + from.command + ": " + reply;
  } else if (from.problem.find("timed out") != std::string::npos) {
    out.error_number = ETIMEDOUT;
    out.text = "LMTP timeout after " + from.command;
  } else {
    out.text = failed ? from.problem : "LMTP connection closed after " + from.command;
  }
  return out;
}

}  // namespace godwit::delivery
