#include "protocol/smtp/server_engine.h"

#include "core/base/ascii.h"
#include "core/base/assert.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/server_body.h"

#include <utility>

namespace godwit::smtp {
namespace {

constexpr bool is_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < ' ' && c != '\t') || byte == 0x7f;
}

}  // namespace

static_assert(sizeof(ServerEngine) < 1024, "an idle session must stay small");

ServerEngine::~ServerEngine() = default;

// --- facts and bytes ---

void ServerEngine::greet(std::string_view banner) {
  GODWIT_ASSERT(state_ == State::connected);
  state_ = State::ready;
  was_early_ = limits_.accepts_early && !input_.empty();
  if (limits_.enforce_sync && !input_.empty() && !was_early_) {
    close_with(Fault::synchronization, ReplyId::synchronization,
               "SMTP protocol synchronization error (input sent without waiting for greeting)");
    return;
  }
  append_reply(output_, {220, {}, banner}, false);
}

void ServerEngine::tls_started(bool remembers_esmtp) {
  end_transaction();
  if (state_ != State::connected) state_ = State::ready;
  if (!remembers_esmtp) helo_seen_ = esmtp_ = false;
  discarding_line_ = line_in_pending_ = false;
  in_tls_ = true;
  offer_.extensions.set(Extension::starttls, false);
  input_ = line_ = {};
  pending_.clear();
  nonmail_seen_ = 0;
  last_code_ = 0;
}

void ServerEngine::receive(std::string_view bytes) {
  GODWIT_ASSERT(input_.empty());
  line_ = {};  // it may point into the bytes before
  input_ = bytes;
}

std::string ServerEngine::take_output() {
  return std::exchange(output_, std::string());
}

BodyTotals ServerEngine::body() const noexcept {
  if (!body_) return {};
  return {body_->bytes, body_->chunked, body_->has_bare_line_ends()};
}

const message::HeaderScanner& ServerEngine::headers() const noexcept {
  GODWIT_ASSERT(body_ != nullptr);
  return body_->headers;
}

// --- events ---

Event ServerEngine::next() {
  GODWIT_ASSERT(waiting_ == EventKind::need_input);
  if (path_given_) {
    path_given_ = false;
    return verb_ == Verb::mail ? on_mail(rewritten_) : on_rcpt(rewritten_);
  }
  if (line_in_pending_) {
    line_in_pending_ = false;
    pending_.clear();
    line_ = {};
  }
  if (body_over_) {
    body_over_ = false;
    body_.reset();
  }
  Event event;
  while (true) {
    switch (state_) {
      case State::closing:
      case State::closed:
        state_ = State::closed;
        return {EventKind::close, close_reason_};
      case State::connected:
        return {};
      case State::data:
        if (next_data(event)) return event;
        break;
      case State::chunk:
        if (next_chunk(event)) return event;
        break;
      case State::ready:
      case State::mail:
        fault_ = Fault::none;
        event = run_command();
        // A chunk that was announced and needs no decision is read at once.
        if (event.kind != EventKind::need_input || state_ != State::chunk) return event;
        break;
    }
  }
}

// The next line of input into line_, without its line end.
ServerEngine::LineState ServerEngine::take_line() {
  const size_t end = input_.find('\n');
  const bool complete = end != std::string_view::npos;
  const std::string_view piece = complete ? input_.substr(0, end + 1) : input_;
  input_.remove_prefix(piece.size());
  if (!discarding_line_ && pending_.size() + piece.size() > kCommandLineBytesMax) {
    discarding_line_ = true;
    pending_ = std::string();
  }
  if (discarding_line_) {
    line_ = {};
    if (!complete) return LineState::none;
    discarding_line_ = false;
    return LineState::too_long;
  }
  if (!complete) {
    if (piece.empty() && pending_.empty() && pending_.capacity() > sizeof(std::string)) {
      pending_ = std::string();
    }
    pending_.append(piece);
    return LineState::none;
  }
  line_ = piece;
  if (!pending_.empty()) {
    pending_.append(piece);
    line_ = pending_;
    line_in_pending_ = true;
  }
  line_.remove_suffix(1);
  if (!line_.ends_with('\r')) return LineState::bare_lf;
  line_.remove_suffix(1);
  return LineState::good;
}

Event ServerEngine::run_command() {
  const LineState line = take_line();
  if (line == LineState::none) return {};
  verb_ = Verb::unknown;
  was_mail_refused_ = std::exchange(mail_refused_, false);
  was_rcpt_seen_ = std::exchange(rcpt_seen_, false);
  if (line == LineState::too_long) return refuse(Fault::syntax, ReplyId::line_too_long);
  if (line == LineState::bare_lf && limits_.bare_line_ends == BareLineEnds::reject) {
    return refuse(Fault::syntax, ReplyId::bad_line_end);
  }
  for (const char c : line_) {
    if (c == '\0') return refuse(Fault::syntax, ReplyId::nul_character);
    if (is_control(c)) return refuse(Fault::syntax, ReplyId::control_character);
  }
  std::string_view argument;
  const VerbRow& row = find_verb(line_, argument);
  verb_ = row.verb;
  if (limits_.enforce_sync && out_of_sync(row)) {
    const std::string_view why =
        pipelining() ? "SMTP protocol synchronization error (next input sent too soon: "
                       "pipelining was advertised)"
                     : "SMTP protocol synchronization error (next input sent too soon: "
                       "pipelining was not advertised)";
    return close_with(Fault::synchronization, ReplyId::synchronization, why);
  }
  if (too_many_nonmail(row)) {
    const std::string why =
        "too many nonmail commands (last was \"" + std::string(row.name) + "\")";
    return close_with(Fault::limit, ReplyId::too_many_nonmail, why);
  }
  const bool was_failed = bdat_.is_failed();
  ReplyId refusal;
  if (bdat_.refuses(verb_, refusal)) {
    Event event = refuse(Fault::protocol, refusal);
    if (!was_failed) event.kind = EventKind::body_refused;
    body_over_ = body_ != nullptr;
    return event;
  }
  if (row.argument == Argument::none && !argument.empty()) {
    return refuse(Fault::syntax, ReplyId::unexpected_argument);
  }
  const bool is_of_group = row.verb == Verb::mail || row.verb == Verb::rcpt;
  was_pipelined_ = was_pipelined_ || (is_of_group && pipelining() && !input_.empty());
  mail_seen_ = mail_seen_ || row.verb == Verb::mail;
  return dispatch(row, argument);
}

Event ServerEngine::dispatch(const VerbRow& row, std::string_view argument) {
  switch (row.verb) {
    case Verb::ehlo:
    case Verb::helo:
      return on_helo(argument);
    case Verb::mail:
    case Verb::rcpt:
      return on_path_command(argument);
    case Verb::data:
      return on_data();
    case Verb::bdat:
      return on_bdat(argument);
    case Verb::rset:
      return on_rset();
    case Verb::noop:
      return answer(EventKind::noop, ReplyId::noop_ok);
    case Verb::help:
      return on_help();
    case Verb::vrfy:
      return ask(EventKind::verify, argument);
    case Verb::expn:
      return ask(EventKind::expand, argument);
    case Verb::etrn:
      if (in_transaction()) return refuse(Fault::protocol, ReplyId::etrn_in_transaction);
      return ask(EventKind::etrn, argument);
    case Verb::auth:
      return on_auth(argument);
    case Verb::starttls:
      return on_starttls();
    case Verb::quit:
      return ask(EventKind::quit);
    case Verb::unknown:
      break;
  }
  return on_unknown();
}

// RFC 2920 3.1: whether the client went on without waiting for an answer that it needed.
bool ServerEngine::out_of_sync(const VerbRow& row) const noexcept {
  if (input_.empty() || row.sync == Sync::free) return false;
  const bool changes_the_rules = row.verb == Verb::starttls || row.verb == Verb::auth;
  if (limits_.accepts_early && !mail_seen_ && !changes_the_rules) return false;
  return row.sync == Sync::ends_group || !pipelining();
}

bool ServerEngine::too_many_nonmail(const VerbRow& row) noexcept {
  const unsigned bit = nonmail_bit(row.verb == Verb::helo ? Verb::ehlo : row.verb);
  const bool first = (nonmail_seen_ & bit) == 0;
  nonmail_seen_ = static_cast<uint16_t>(nonmail_seen_ | bit);
  if (row.non_mail == NonMail::never) return false;
  if (row.non_mail != NonMail::always && first) return false;
  return ++nonmail_commands_ > limits_.max_nonmail;
}

// --- commands ---

Event ServerEngine::on_helo(std::string_view argument) {
  const HeloRules rules{limits_.accept_junk_helo, limits_.helo_allow_chars};
  if (is_helo_name(argument, rules)) return ask(EventKind::greeted, argument);
  std::string text = "Syntactically invalid ";
  text.append(verb_row(verb_).name).append(" argument(s)");
  return refuse(Fault::syntax, {501, {}, text});
}

Event ServerEngine::on_path_command(std::string_view argument) {
  if (limits_.asks_for_paths && !argument.empty()) {
    argument_ = argument;
    return ask(EventKind::path, path_part(argument));
  }
  return verb_ == Verb::mail ? on_mail(argument) : on_rcpt(argument);
}

void ServerEngine::use_path(std::string_view path) {
  GODWIT_ASSERT(waiting_ == EventKind::path);
  waiting_ = EventKind::need_input;
  const std::string_view before = path_part(argument_);
  const auto offset = static_cast<size_t>(before.data() - argument_.data());
  rewritten_ = std::string(argument_.substr(0, offset)) + std::string(path) +
               std::string(argument_.substr(offset + before.size()));
  path_given_ = true;
}

Event ServerEngine::on_mail(std::string_view argument) {
  mail_refused_ = true;  // until it is accepted
  ++messages_begun_;
  if (!helo_seen_ && limits_.require_helo) return refuse(Fault::protocol, ReplyId::helo_required);
  if (in_transaction()) return refuse(Fault::protocol, ReplyId::sender_already_given);
  if (!argument.empty() && limits_.max_messages != 0 && messages_begun_ > limits_.max_messages) {
    return close_with(Fault::limit, ReplyId::too_many_messages,
                      "too many messages in one connection");
  }
  end_transaction();
  mail_refused_ = true;
  if (ParseFailure failure = parse_mail(argument, offer_, limits_.paths, esmtp_, mail_)) {
    return refuse(Fault::syntax, {failure.code, failure.enhanced, failure.text});
  }
  const uint64_t limit = limits_.message_size_limit;
  if (limit != 0 && mail_.has_size && mail_.size > limit) {
    return refuse(Fault::limit, ReplyId::message_too_big);
  }
  return ask(EventKind::mail);
}

Event ServerEngine::on_rcpt(std::string_view argument) {
  if (!in_transaction()) {
    // A pipelining client could not know yet that its MAIL was refused: no fault of its.
    const bool excused = pipelining() && was_mail_refused_;
    mail_refused_ = rcpt_seen_ = excused;
    return refuse(excused ? Fault::none : Fault::protocol, ReplyId::sender_not_given);
  }
  rcpt_seen_ = true;
  ++rcpts_given_;
  if (ParseFailure failure =
          parse_rcpt(argument, offer_, limits_.paths, esmtp_, mail_.smtputf8, rcpt_)) {
    return refuse(Fault::syntax, {failure.code, failure.enhanced, failure.text});
  }
  if (limits_.recipients_max != 0 && rcpts_given_ > limits_.recipients_max) {
    too_many_rcpts_ = true;
    return refuse(Fault::limit, limits_.recipients_max_reject ? ReplyId::too_many_recipients_552
                                                              : ReplyId::too_many_recipients_452);
  }
  return ask(EventKind::rcpt);
}

Event ServerEngine::on_data() {
  if (recipients_accepted_ == 0) return no_recipients("DATA");
  if (too_many_rcpts_ && limits_.recipients_max_reject) {
    end_transaction();
    return refuse(Fault::limit, ReplyId::too_many_recipients_554);
  }
  open_body();
  return ask(EventKind::body_start);
}

Event ServerEngine::on_rset() {
  end_transaction();
  return answer(EventKind::reset, ReplyId::rset_ok);
}

Event ServerEngine::on_help() {
  std::string text = "Commands supported:\nAUTH";
  if (offers(Extension::starttls)) text += " STARTTLS";
  text += " HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT RSET HELP";
  if (offers(Extension::etrn)) text += " ETRN";
  if (offers(Extension::expn)) text += " EXPN";
  if (offers(Extension::vrfy)) text += " VRFY";
  send({214, "2.0.0", text});
  return {EventKind::help, {}};
}

Event ServerEngine::on_starttls() {
  if (offers(Extension::starttls)) return ask(EventKind::starttls);
  return refuse(Fault::protocol,
                in_tls_ ? ReplyId::already_in_tls : ReplyId::starttls_not_advertised);
}

Event ServerEngine::on_auth(std::string_view argument) {
  if (offers(Extension::auth)) return ask(EventKind::auth, argument);
  return refuse(Fault::protocol, ReplyId::auth_not_advertised);
}

Event ServerEngine::on_unknown() {
  if (unknown_commands_++ < limits_.max_unknown_commands) {
    return refuse(Fault::syntax, ReplyId::unrecognized);
  }
  const std::string why =
      "too many unrecognized commands (last was \"" + escape_control(line_) + "\")";
  return close_with(Fault::limit, ReplyId::too_many_unrecognized, why);
}

// DATA or BDAT without a recipient. Where all RCPTs got the same answer, it is said again.
Event ServerEngine::no_recipients(std::string_view verb) {
  std::string text;
  if (same_refusal_) {
    text = "All RCPT commands were rejected with this error:\n" + rcpt_refusal_ + "\n";
  }
  const bool excused = pipelining() && was_rcpt_seen_;
  text.append(excused ? "V" : "v").append("alid RCPT command must precede ").append(verb);
  return refuse(excused ? Fault::none : Fault::protocol, {503, "5.5.1", text});
}

}  // namespace godwit::smtp
