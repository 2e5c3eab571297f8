// ServerEngine: the driver's answers and the engine's own, and what they change.
#include "core/base/ascii.h"
#include "core/base/assert.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/server_body.h"
#include "protocol/smtp/server_engine.h"

#include <utility>

namespace godwit::smtp {
namespace {

constexpr bool is_success(uint16_t code) noexcept {
  return code / 100 == 2;
}

}  // namespace

void ServerEngine::reply(const ReplyView& answer) {
  GODWIT_ASSERT(waiting_ != EventKind::need_input);
  const EventKind kind = std::exchange(waiting_, EventKind::need_input);
  if (kind == EventKind::rcpt && !is_positive(answer.code)) note_rcpt_refusal(answer.text);
  if (kind == EventKind::body_end && body_->chunked && is_success(answer.code)) {
    const bool enhanced = offers(Extension::enhanced_status_codes);
    std::string text = enhanced ? "" : " ";
    append_decimal(text, bdat_.chunk_bytes());
    text += " byte chunk, total ";
    append_decimal(text, bdat_.total_bytes());
    append_reply_start(output_, {answer.code, answer.enhanced, text}, enhanced);
  }
  if (kind == EventKind::greeted) {
    last_code_ = answer.code;
    append_reply(output_, answer, false);
  } else {
    send(answer);
  }
  after_reply(kind, answer.code);
  if (answer.code == 421 && state_ != State::closing) {
    state_ = State::closing;
    close_reason_ = "421 was sent";
  }
}

void ServerEngine::reply_ahead(const ReplyView& answer) {
  GODWIT_ASSERT(waiting_ == EventKind::body_end && mail_.prdr);
  send(answer);
}

void ServerEngine::after_reply(EventKind kind, uint16_t code) {
  switch (kind) {
    case EventKind::mail:
      mail_refused_ = !is_success(code);
      if (is_success(code)) state_ = State::mail;
      break;
    case EventKind::rcpt:
      if (is_success(code)) ++recipients_accepted_;
      break;
    case EventKind::body_start:
      if (bdat_.is_active()) {
        bdat_.fail();
        chunk_answered_ = true;
        state_ = State::chunk;
      } else if (code == 354) {
        state_ = State::data;
        break;
      }
      body_over_ = true;
      break;
    case EventKind::body_end:
      end_message();
      break;
    case EventKind::quit:
      state_ = State::closing;
      break;
    default:
      break;
  }
}

void ServerEngine::accept_helo(std::string_view greeting) {
  GODWIT_ASSERT(waiting_ == EventKind::greeted);
  waiting_ = EventKind::need_input;
  end_transaction();
  helo_seen_ = true;
  esmtp_ = verb_ == Verb::ehlo;
  last_code_ = 250;
  if (esmtp_) {
    append_ehlo_reply(output_, greeting, offer_);
  } else {
    append_reply(output_, {250, {}, greeting}, false);
  }
}

void ServerEngine::accept_chunks() {
  GODWIT_ASSERT(waiting_ == EventKind::body_start && bdat_.is_active());
  waiting_ = EventKind::need_input;
  state_ = State::chunk;
}

void ServerEngine::reply_and_close(const ReplyView& answer, std::string_view why) {
  waiting_ = EventKind::need_input;
  send(answer);
  state_ = State::closing;
  close_reason_ = why;
}

Event ServerEngine::answer(EventKind kind, ReplyId id) {
  send(named_reply(id));
  return {kind, {}};
}

Event ServerEngine::ask(EventKind kind, std::string_view text) {
  waiting_ = kind;
  return {kind, text};
}

void ServerEngine::send(const ReplyView& answer) {
  last_code_ = answer.code;
  append_reply(output_, answer, offers(Extension::enhanced_status_codes));
}

// An error that the engine answers. Syntax and protocol errors count; too many end the session.
Event ServerEngine::refuse(Fault fault, const ReplyView& answer) {
  fault_ = fault;
  error_text_ = answer.text;
  if (verb_ == Verb::rcpt)
    note_rcpt_refusal(std::to_string(answer.code) + " " + std::string(answer.text));
  const bool counts = fault == Fault::syntax || fault == Fault::protocol;
  if (!counts || ++synprot_errors_ <= limits_.max_synprot_errors) {
    send(answer);
    return {EventKind::error, error_text_};
  }
  const std::string text = error_text_ + "\nToo many syntax or protocol errors";
  send({answer.code, answer.enhanced, text});
  state_ = State::closing;
  close_reason_ =
      "too many syntax or protocol errors (last command was \"" + escape_control(line_) + "\")";
  return {EventKind::error, error_text_};
}

Event ServerEngine::close_with(Fault fault, ReplyId id, std::string_view why) {
  fault_ = fault;
  error_text_ = named_reply(id).text;
  send(named_reply(id));
  state_ = State::closing;
  close_reason_ = why;
  return {EventKind::error, error_text_};
}

void ServerEngine::note_rcpt_refusal(std::string_view text) {
  text = text.substr(0, kSameRejectionBytesMax);
  if (rcpt_refusal_.empty()) {
    rcpt_refusal_ = text;
    same_refusal_ = true;
  } else if (rcpt_refusal_ != text) {
    same_refusal_ = false;
  }
}

void ServerEngine::end_transaction() {
  if (state_ == State::mail) state_ = State::ready;
  body_over_ = body_ != nullptr;
  bdat_.reset();
  mail_.smtputf8 = false;
  mail_refused_ = too_many_rcpts_ = same_refusal_ = false;
  rcpts_given_ = recipients_accepted_ = 0;
  rcpt_refusal_.clear();
}

// A message was taken or refused as a whole: the free uses of some commands start anew.
void ServerEngine::end_message() {
  end_transaction();
  constexpr unsigned kFreeOnce = nonmail_bit(Verb::auth);
  nonmail_seen_ = static_cast<uint16_t>(nonmail_seen_ & kFreeOnce);
}

}  // namespace godwit::smtp
