// ServerEngine: the bytes of a message, from DATA or BDAT to the decision.
#include "core/base/ascii.h"
#include "core/base/assert.h"
#include "protocol/smtp/server_body.h"
#include "protocol/smtp/server_engine.h"

#include <string>

namespace godwit::smtp {
namespace {

ReplyId reply_for(message::HeaderVerdict verdict) noexcept {
  switch (verdict) {
    case message::HeaderVerdict::too_long:
      return ReplyId::header_too_long;
    case message::HeaderVerdict::line_too_long:
      return ReplyId::header_line_too_long;
    case message::HeaderVerdict::too_many_received:
      return ReplyId::too_many_received;
    case message::HeaderVerdict::not_terminated:
    case message::HeaderVerdict::good:
      break;
  }
  return ReplyId::header_not_terminated;
}

}  // namespace

Event ServerEngine::on_bdat(std::string_view argument) {
  BdatArgument chunk;
  switch (parse_bdat(argument, chunk)) {
    case BdatSyntax::no_size:
      return refuse(Fault::protocol, ReplyId::bdat_no_size);
    case BdatSyntax::zero_size:
      return refuse(Fault::protocol, ReplyId::bdat_zero_size);
    case BdatSyntax::too_big:
      // Its octets can neither be taken nor be told from commands.
      return close_with(Fault::limit, ReplyId::bdat_too_big, "BDAT chunk is too big to be read");
    case BdatSyntax::good:
      break;
  }
  const bool first = !bdat_.is_active();
  // Who was not offered it sends no chunk: what follows are commands.
  if (first && !offers(Extension::chunking)) {
    return refuse(Fault::protocol, ReplyId::bdat_not_advertised);
  }
  after_chunk_ = state_;
  chunk_answered_ = false;
  bdat_.start(chunk);
  if (!first) {
    state_ = State::chunk;
    return {};
  }
  if (recipients_accepted_ == 0) return drop_chunk(no_recipients("BDAT"));
  if (too_many_rcpts_ && limits_.recipients_max_reject) {
    after_chunk_ = State::ready;
    recipients_accepted_ = 0;
    return drop_chunk(refuse(Fault::limit, ReplyId::too_many_recipients_554));
  }
  open_body();
  body_->chunked = true;
  return ask(EventKind::body_start);
}

// The chunk that was announced is refused and answered; its octets still come (RFC 3030 2).
Event ServerEngine::drop_chunk(Event event) {
  chunk_answered_ = true;
  if (state_ != State::closing) state_ = State::chunk;
  return event;
}

void ServerEngine::open_body() {
  body_over_ = false;
  body_ = {new Body(limits_), [](Body* body) { delete body; }};
}

bool ServerEngine::next_data(Event& event) {
  Body& body = *body_;
  const auto is_refused_for_bare_ends = [&] {
    return body.data.bare_seen() && limits_.bare_line_ends == BareLineEnds::reject;
  };
  while (!body.ended && !input_.empty()) {
    const DataStream::Step step = body.data.take(input_);
    input_.remove_prefix(step.consumed);
    body.ended = step.ended;
    if (step.ended) break;
    const std::string_view text = judge_body(step.text);
    if (text.empty() || body.refusal || is_refused_for_bare_ends()) continue;
    event = {EventKind::body_chunk, text};
    return true;
  }
  if (!body.ended) {
    event = {};
    return true;
  }
  if (is_refused_for_bare_ends()) body.refusal = ReplyId::bare_line_end;
  if (!give_rest(event)) event = body_done();
  return true;
}

// What was kept back of a message that has ended; false: nothing.
bool ServerEngine::give_rest(Event& event) {
  const std::string_view rest = body_->from_lines.finish();
  if (rest.empty() || body_->refusal) return false;
  judge_header(rest);
  event = {EventKind::body_chunk, rest};
  return !body_->refusal;
}

bool ServerEngine::next_chunk(Event& event) {
  while (bdat_.takes_octets()) {
    if (input_.empty()) {
      event = {};
      return true;
    }
    const std::string_view octets = bdat_.take(input_);
    input_.remove_prefix(octets.size());
    if (chunk_answered_ || bdat_.is_failed()) continue;
    body_->chunks.feed(octets);
    const std::string_view text = judge_body(octets);
    if (text.empty() || body_->refusal) continue;
    event = {EventKind::body_chunk, text};
    return true;
  }
  return chunk_done(event);
}

// All octets of a chunk were read. False where there is nothing to report.
bool ServerEngine::chunk_done(Event& event) {
  const bool is_whole = !chunk_answered_ && !bdat_.is_failed() && bdat_.is_last();
  if (is_whole && give_rest(event)) return true;
  state_ = after_chunk_;
  if (chunk_answered_) {
    if (bdat_.is_failed() && bdat_.is_last()) {
      end_message();
    } else if (!bdat_.is_failed()) {
      bdat_.reset();
    }
    return false;
  }
  if (bdat_.is_failed()) {
    event = refuse(Fault::none, ReplyId::only_rset);
    return true;
  }
  if (bdat_.is_last()) {
    event = body_done();
    return true;
  }
  if (body_->refusal) {
    event = refuse_body(*body_->refusal);
    bdat_.fail();
    return true;
  }
  std::string text;
  append_decimal(text, bdat_.chunk_bytes());
  text += " byte chunk received";
  send({250, "2.0.0", text});
  return false;
}

// The whole message was read.
Event ServerEngine::body_done() {
  state_ = State::mail;
  body_->headers.finish();
  const message::HeaderVerdict verdict = body_->headers.verdict();
  if (!body_->refusal && verdict != message::HeaderVerdict::good) {
    body_->refusal = reply_for(verdict);
  }
  if (!body_->refusal) return ask(EventKind::body_end);
  const Event event = refuse_body(*body_->refusal);
  end_message();
  return event;
}

// What the driver gets of the next bytes; nothing matters where the body has a refusal.
std::string_view ServerEngine::judge_body(std::string_view bytes) {
  Body& body = *body_;
  body.bytes += bytes.size();
  if (body.refusal) return {};
  if (limits_.message_size_limit != 0 && body.bytes > limits_.message_size_limit) {
    body.refusal = ReplyId::message_too_big;
    return {};
  }
  const std::string_view text = body.from_lines.feed(bytes);
  judge_header(text);
  return text;
}

void ServerEngine::judge_header(std::string_view text) {
  Body& body = *body_;
  body.headers.feed(text);
  if (body.headers.verdict() != message::HeaderVerdict::good)
    body.refusal = reply_for(body.headers.verdict());
}

Event ServerEngine::refuse_body(ReplyId id) {
  Event event = refuse(Fault::limit, id);
  event.kind = EventKind::body_refused;
  body_over_ = true;
  return event;
}

}  // namespace godwit::smtp
