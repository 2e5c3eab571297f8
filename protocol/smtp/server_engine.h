// ServerEngine: the server's side of an SMTP session. Bytes in, events out; no socket, no clock.
// Used by: the inbound session driver, -bs, -bh, and every test of SMTP.
// The driver is a loop:
//     engine.greet("mx.example.org ESMTP Godwit ...");
//     for (;;) {
//       const Event event = engine.next();
//       switch (event.kind) { ... engine.reply(ReplyId::mail_ok); ... }
//     }
// and on need_input it sends take_output() and calls receive(). All answers to a pipelined group
// come out in one piece that way.
// Lifetime: the views in an Event, in mail() and in rcpt() are valid until the next call of next().
// The bytes given to receive() must stay until next() has returned need_input.
// Errors: whatever a client sends is answered, at worst with a `close`. Sequence, syntax, limits
// and synchronisation are judged here, from tables; policy is the driver's.
// RFC 5321, 1870, 2034, 2920, 3030, 3461, 6152, 6531, 9422.
#pragma once

#include "protocol/message/from_lines.h"
#include "protocol/message/header_scan.h"
#include "protocol/smtp/bdat.h"
#include "protocol/smtp/command.h"
#include "protocol/smtp/data_stream.h"
#include "protocol/smtp/extensions.h"
#include "protocol/smtp/reply.h"
#include "protocol/smtp/verbs.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace godwit::smtp {

// Exim's options, with Exim's defaults. 0 is "no limit" where Exim has it so.
struct ServerLimits {
  uint64_t message_size_limit = 50 * 1024 * 1024;
  message::HeaderLimits header;
  uint32_t recipients_max = 50000;
  uint32_t max_unknown_commands = 3;
  uint32_t max_synprot_errors = 3;
  uint32_t max_nonmail = 10;     // smtp_accept_max_nonmail; UINT32_MAX: hosts do not match
  uint32_t max_messages = 1000;  // smtp_accept_max_per_connection
  bool recipients_max_reject = false;
  bool enforce_sync = true;       // smtp_enforce_sync
  bool accepts_early = false;     // pipelining_connect_advertise_hosts matches
  bool require_helo = true;       // hosts_require_helo matches
  bool accept_junk_helo = false;  // helo_accept_junk_hosts matches
  bool asks_for_paths = false;    // paths of MAIL and RCPT are rewritten before they are parsed
  BareLineEnds bare_line_ends = BareLineEnds::reject;
  PathRules paths;
  std::string_view helo_allow_chars;  // the driver keeps it alive
  // Lines before the header section that are not part of the message (ignore_fromline_hosts); null:
  // none. The driver keeps it alive.
  const message::LineMatcher* from_lines = nullptr;
};

enum class EventKind : uint8_t {
  need_input,    // send take_output(), then receive() more
  greeted,       // EHLO or HELO: text is the name; answer with accept_helo() or a refusal
  path,          // where limits ask for it: text is the path of MAIL or RCPT; use_path()
  mail,          // mail() has it; a 2xx reply opens the transaction
  rcpt,          // rcpt() has it; a 2xx reply adds a recipient
  body_start,    // DATA: reply 354 or a refusal. BDAT: is_chunked(); accept_chunks() or a refusal
  body_chunk,    // text is a piece of the message: CRLF kept, dots unstuffed
  body_end,      // the whole message was taken; reply decides it
  body_refused,  // the message was refused here and answered; drop what was kept of it
  reset,         // RSET, answered; drop the transaction
  verify,        // VRFY: text is the argument; reply
  expand,        // EXPN: text is the argument; reply
  etrn,          // ETRN: text is the argument; reply
  auth,          // AUTH, where offered: text is the argument; reply
  starttls,      // STARTTLS, where offered: reply, send, shake hands, tls_started()
  help,          // HELP, answered
  noop,          // NOOP, answered
  quit,          // reply with 221; the next event is close
  error,         // refused and answered here: text is the reply's text; fault() says why
  close,         // send take_output(), then close; text says why, empty after QUIT
};

// What kind of mistake an `error` or `body_refused` was, for the log line.
enum class Fault : uint8_t { none, syntax, protocol, limit, synchronization };

struct Event {
  EventKind kind = EventKind::need_input;
  std::string_view text;
};

// A message, at body_end or body_refused.
struct BodyTotals {
  uint64_t bytes = 0;  // in wire format, unstuffed
  bool chunked = false;
  bool bare_line_ends = false;
};

class ServerEngine {
 public:
  explicit ServerEngine(const ServerLimits& limits) : limits_(limits) {}
  ~ServerEngine();
  ServerEngine(const ServerEngine&) = delete;
  ServerEngine& operator=(const ServerEngine&) = delete;

  // Facts.
  // Before the greeting: input that has already come is a synchronisation error, but for clients
  // that may pipeline from the start.
  void greet(std::string_view banner);
  // What EHLO will offer; before accept_helo(). Views in it must outlive the session.
  void set_offer(const Offer& offer) { offer_ = offer; }
  // Before the greeting, once the client is known.
  void set_limits(const ServerLimits& limits) { limits_ = limits; }
  const ServerLimits& limits() const noexcept { return limits_; }
  void set_enforce_sync(bool on) noexcept { limits_.enforce_sync = on; }
  // The size limit of this transaction, which may be expanded for each message.
  void set_message_size_limit(uint64_t bytes) { limits_.message_size_limit = bytes; }
  // The handshake is done: forgets the session, and whatever was received before it. A client that
  // need not say EHLO again (tls_remember_esmtp) breaks RFC 3207.
  void tls_started(bool remembers_esmtp = false);
  bool in_transaction() const noexcept { return state_ >= State::mail && state_ <= State::chunk; }

  // Bytes. Only after need_input, or once before greet().
  void receive(std::string_view bytes);
  Event next();
  bool has_output() const noexcept { return !output_.empty(); }
  std::string take_output();
  // What is not taken yet.
  std::string_view output() const noexcept { return output_; }

  // Answers to the event that waits for one.
  void reply(const ReplyView& answer);
  void reply(ReplyId id) { reply(named_reply(id)); }
  // body_end where mail() has PRDR: a reply ahead of the one that decides, first 353, then one for
  // each recipient in their order.
  void reply_ahead(const ReplyView& answer);
  // The path that takes the place of the client's.
  void use_path(std::string_view path);
  // EHLO or HELO is accepted: "host Hello client [ip]".
  void accept_helo(std::string_view greeting);
  // body_start of BDAT: chunks may come. There is no reply to send.
  void accept_chunks();
  // Answers, then ends the session: the next event is close with `why`.
  void reply_and_close(const ReplyView& answer, std::string_view why);

  // What the last event was about.
  const MailCommand& mail() const noexcept { return mail_; }
  const RcptCommand& rcpt() const noexcept { return rcpt_; }
  bool is_esmtp() const noexcept { return esmtp_; }
  bool is_chunked() const noexcept { return bdat_.is_active(); }
  // Input that was received and not looked at, for the log line of a synchronisation error.
  std::string_view unread() const noexcept { return input_; }
  bool has_smtputf8() const noexcept { return mail_.smtputf8; }
  BodyTotals body() const noexcept;
  // The header section of the message; from body_start to the next call of next() after the body.
  const message::HeaderScanner& headers() const noexcept;
  // The command line as it came, without its line end.
  std::string_view command_line() const noexcept { return line_; }
  Verb verb() const noexcept { return verb_; }
  Fault fault() const noexcept { return fault_; }
  // The answer that was just given ends the session.
  bool is_closing() const noexcept { return state_ == State::closing; }
  uint16_t last_code() const noexcept { return last_code_; }
  uint32_t recipients_accepted() const noexcept { return recipients_accepted_; }
  uint32_t messages_begun() const noexcept { return messages_begun_; }
  // For log lines: whether PIPELINING and PIPECONNECT were offered, and whether they were used.
  bool offered(Extension e) const noexcept { return offers(e); }
  bool was_pipelined() const noexcept { return was_pipelined_; }
  bool was_early() const noexcept { return was_early_; }

 private:
  enum class State : uint8_t { connected, ready, mail, data, chunk, closing, closed };
  enum class LineState : uint8_t { none, good, bare_lf, too_long };
  struct Body;  // exists only while a message is being read

  LineState take_line();
  Event run_command();
  Event dispatch(const VerbRow& row, std::string_view argument);
  bool pipelining() const noexcept { return offers(Extension::pipelining); }
  bool offers(Extension e) const noexcept { return esmtp_ && offer_.extensions.has(e); }
  bool out_of_sync(const VerbRow& row) const noexcept;
  bool too_many_nonmail(const VerbRow& row) noexcept;
  Event on_helo(std::string_view argument);
  Event on_path_command(std::string_view argument);
  Event on_mail(std::string_view argument);
  Event on_rcpt(std::string_view argument);
  Event on_data();
  Event on_bdat(std::string_view argument);
  Event on_rset();
  Event on_help();
  Event on_starttls();
  Event on_auth(std::string_view argument);
  Event on_unknown();
  Event no_recipients(std::string_view verb);
  Event drop_chunk(Event event);
  bool next_data(Event& event);
  bool next_chunk(Event& event);
  bool chunk_done(Event& event);
  bool give_rest(Event& event);
  Event body_done();
  Event refuse(Fault fault, const ReplyView& answer);
  Event refuse(Fault fault, ReplyId id) { return refuse(fault, named_reply(id)); }
  Event refuse_body(ReplyId id);
  Event close_with(Fault fault, ReplyId id, std::string_view why);
  Event answer(EventKind kind, ReplyId id);
  Event ask(EventKind kind, std::string_view text = {});
  void send(const ReplyView& answer);
  void note_rcpt_refusal(std::string_view text);
  void after_reply(EventKind kind, uint16_t code);
  std::string_view judge_body(std::string_view bytes);
  void judge_header(std::string_view text);
  void open_body();
  void end_transaction();
  void end_message();

  ServerLimits limits_;
  Offer offer_;
  State state_ = State::connected;
  State after_chunk_ = State::ready;
  Verb verb_ = Verb::unknown;
  EventKind waiting_ = EventKind::need_input;  // the event that waits for an answer
  Fault fault_ = Fault::none;
  bool helo_seen_ = false;
  bool esmtp_ = false;
  bool in_tls_ = false;
  bool was_early_ = false;         // commands came before the greeting
  bool was_pipelined_ = false;     // a command followed MAIL or RCPT before its answer
  bool mail_seen_ = false;         // early pipelining is over
  bool discarding_line_ = false;   // the rest of a line that was too long
  bool line_in_pending_ = false;   // line_ points into pending_, which is to be cleared
  bool mail_refused_ = false;      // the last command was a refused MAIL, or a RCPT after one
  bool was_mail_refused_ = false;  // the same before the command that is handled
  bool rcpt_seen_ = false;         // the last command was a RCPT inside a transaction
  bool was_rcpt_seen_ = false;
  bool same_refusal_ = false;
  bool too_many_rcpts_ = false;
  bool chunk_answered_ = false;  // the octets that come are dropped and need no reply
  bool body_over_ = false;       // body_ is kept only until the next event
  uint16_t last_code_ = 0;
  uint16_t nonmail_seen_ = 0;  // bits of the verbs that had their free use
  uint32_t rcpts_given_ = 0;
  uint32_t recipients_accepted_ = 0;
  uint32_t messages_begun_ = 0;
  uint32_t unknown_commands_ = 0;
  uint32_t synprot_errors_ = 0;
  uint32_t nonmail_commands_ = 0;
  std::string_view input_;  // the caller's bytes that are not used yet
  std::string_view line_;
  std::string pending_;  // the start of a line that is not complete
  std::string output_;
  std::string close_reason_;
  std::string_view argument_;  // of the command whose path is asked for
  std::string rewritten_;      // the same with the path that was given
  bool path_given_ = false;
  std::string rcpt_refusal_;  // the text that every RCPT so far was refused with
  std::string error_text_;
  MailCommand mail_;
  RcptCommand rcpt_;
  BdatState bdat_;
  std::unique_ptr<Body, void (*)(Body*)> body_{nullptr, nullptr};
};

}  // namespace godwit::smtp
