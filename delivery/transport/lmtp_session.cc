#include "delivery/transport/lmtp_session.h"

#include "delivery/transport/smtp_outcome.h"
#include "protocol/smtp/dot_stuff.h"

#include <cerrno>
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

constexpr int kErrorMalformedReply = -19;
constexpr std::string_view kEndOfData = "end of data";

// What the server said that makes no sense; empty where it was something else.
std::string nonsense_of(const smtp::Outcome& from) {
  const std::string& problem = from.problem;
  const size_t open = problem.find(": \"");
  if (from.reply.code != 0 || open == std::string::npos || !problem.ends_with('"')) return {};
  return problem.substr(open + 3, problem.size() - open - 4);
}

// Where there was no 4yz or 5yz.
void note_silence(const smtp::Outcome& from, DeliveryOutcome& out) {
  const std::string nonsense = nonsense_of(from);
  if (!nonsense.empty()) {
    out.failure.error = retry::RetryError::other;
    out.error_number = from.command == kEndOfData ? kErrorUnknown : kErrorMalformedReply;
    out.text = "Malformed LMTP response after " + from.command + ": " + nonsense;
  } else if (out.failure.error == retry::RetryError::timeout) {
    out.error_number = ETIMEDOUT;
    out.text = "LMTP timeout after " + from.command;
  } else {
    out.error_number = kErrorUnknown;
    out.text = "LMTP connection closed after " + from.command;
  }
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

// Piece by piece; what could not be read to its end is never ended for the server.
Task<void> LmtpSession::send_body(const MessageContent& content) {
  const Result<void> sent = co_await send_pieces(content);
  if (sent) {
    engine_.body_sent();
  } else if (sent.error().code() == Errc::timed_out) {
    engine_.timed_out();
  } else {
    engine_.peer_closed();
  }
}

Task<Result<void>> LmtpSession::send_pieces(const MessageContent& content) {
  const std::string commands = engine_.take_output();
  std::vector<std::string_view> segments;
  if (!commands.empty()) segments.push_back(commands);
  smtp::DotStuffer stuffer;
  stuffer.take(content.header_section(), segments);
  stuffer.take(content.separator(), segments);
  if (content.is_in_memory()) {
    for (const spool::MessageBytes::Chunk& chunk : content.body_chunks())
      stuffer.take(chunk.view(), segments);
  }
  std::string page;
  for (uint64_t offset = 0; !content.is_in_memory() && offset < content.body_bytes();) {
    const Result<std::string_view> piece = co_await content.read_page(offset, page);
    if (!piece || piece->empty()) {
      read_problem_ = piece ? "the body is shorter than it was" : piece.error().to_string();
      stream_.close();
      co_return Error(Errc::disk_error, read_problem_);
    }
    offset += piece->size();
    stuffer.take(*piece, segments);
    set_deadline();
    const Result<void> sent = co_await stream_.write(std::span<const std::string_view>(segments));
    if (!sent) co_return sent.error();
    segments.clear();
  }
  stuffer.finish(segments);
  set_deadline();
  co_return co_await stream_.write(std::span<const std::string_view>(segments));
}

Task<std::vector<DeliveryOutcome>> LmtpSession::run(smtp::Transaction transaction,
                                                    const MessageContent& content) {
  const size_t count = transaction.recipients.size();
  smtp::ClientEvent event = co_await pump();
  if (event.kind == smtp::ClientEventKind::ready) {
    engine_.begin(std::move(transaction));
    event = co_await pump();
    while (event.kind == smtp::ClientEventKind::send_body) {
      co_await send_body(content);
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

DeliveryOutcome LmtpSession::outcome_of(const smtp::Outcome& from) const {
  DeliveryOutcome out;
  if (!read_problem_.empty()) {
    out.scope = FailureScope::local;
    out.text = "the message could not be read: " + read_problem_;
    return out;
  }
  const std::string reply = from.reply.code == 0 ? "" : one_line(from.reply.full_text());
  if (from.outcome == smtp::OutcomeClass::delivered) {
    out.kind = OutcomeKind::delivered;
    out.confirmation = reply;
    return out;
  }
  // There is no other host to try: 5yz to the connection or LHLO is final as well.
  const bool failed = from.outcome == smtp::OutcomeClass::recipient_failed ||
                      from.outcome == smtp::OutcomeClass::message_failed || from.reply.digit() == 5;
  out.kind = failed ? OutcomeKind::failed : OutcomeKind::deferred;
  out.scope = FailureScope::local;
  out.reply = reply;
  out.status = from.status;
  out.failure.error = retry_error_of(from);
  out.failure.smtp_code = from.reply.code;
  if (!reply.empty()) {
    const bool is_of_session = out.failure.error == retry::RetryError::other;
    if (!failed)
      out.error_number = is_of_session ? kErrorUnknown : error_number_of(from, out.failure.error);
    out.text = "LMTP error after " + from.command + ": " + reply;
  } else if (failed) {
    out.text = from.problem;  // judged here: the message does not fit what the server offers
  } else {
    note_silence(from, out);
  }
  return out;
}

}  // namespace godwit::delivery
