// ClientEngine: the client's side of an SMTP session: greeting, EHLO, transactions, QUIT. Bytes in,
// events out; no socket, no clock. Pipelines where the server offers it.
// Used by: the smtp transport, callouts, tests.
// The driver is a loop: next(); on any event send take_output() first; need_input says which
// timeout of RFC 5321 4.5.3.2 applies; peer_closed() and timed_out() are facts.
// Lifetime: copies what it is given; results stay until the next begin().
// Errors: a server that breaks the rules gives session_failed, and each recipient an Outcome.
#pragma once

#include "protocol/smtp/command.h"
#include "protocol/smtp/extensions.h"
#include "protocol/smtp/reply_parser.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace godwit::smtp {

enum class Phase : uint8_t {
  greeting,
  helo,
  starttls,
  mail,
  rcpt,
  data_init,
  data_block,
  data_end,
  rset,
  quit,
  idle,  // nothing is awaited: only the server's leaving can come
};

// EXIM.md 2.8: what a failure is about, and so who tries again where.
enum class OutcomeClass : uint8_t {
  delivered,
  recipient_deferred,  // 4xx to RCPT
  recipient_failed,    // 5xx to RCPT
  message_deferred,    // 4xx to MAIL, DATA or the end of data
  message_failed,      // 5xx to the same, or the message does not fit what the server offers
  host_error,          // connection, greeting, EHLO, lost or timed out, nonsense: try another host
  in_doubt,            // lost after the final dot: the message may have been accepted
  not_tried,           // over the number of recipients that this server takes at a time
};

struct Outcome {
  OutcomeClass outcome = OutcomeClass::host_error;
  std::string command;  // what was answered, as Exim words it: "RCPT TO:<x>", "end of data"
  ServerReply reply;    // code 0 where there was none
  std::string problem;  // where there was no reply: "connection closed", "timed out", ...
};

struct ClientRecipient {
  std::string address;
  uint8_t notify = 0;  // NotifyBits
  std::string orcpt;   // "rfc822;" + xtext, as received
  bool ignore_quota = false;
};

struct Transaction {
  std::string sender;  // without brackets
  std::vector<ClientRecipient> recipients;
  uint64_t body_bytes = 0;       // of the message in wire format; exact where BDAT is used
  uint64_t size_to_declare = 0;  // SIZE=; 0: body_bytes
  BodyKind body = BodyKind::unspecified;
  DsnReturn ret = DsnReturn::unspecified;
  bool smtputf8 = false;
  bool use_bdat = false;  // where the server offers CHUNKING
  // Ask for the recipients only: no DATA follows, and who was accepted is `delivered`.
  bool is_probe = false;
  std::string envid;  // xtext, as received
  std::string auth;   // MAIL AUTH=, decoded; empty: none
};

enum class ClientEventKind : uint8_t {
  need_input,        // phase says for what
  ready,             // begin(), starttls() or quit()
  tls_ready,         // the server waits for a handshake: shake hands, then tls_started()
  tls_refused,       // STARTTLS was refused, tls_refusal(): ready, in clear
  send_body,         // write the body after take_output(), then body_sent()
  transaction_done,  // outcomes() and message_outcome() are complete
  session_failed,    // failure(); close the connection
  closed,            // QUIT was answered, or the server left after it
};

enum class BodyForm : uint8_t { dot_stuffed, chunk };

struct ClientEvent {
  ClientEventKind kind = ClientEventKind::need_input;
  Phase phase = Phase::greeting;
  BodyForm form = BodyForm::dot_stuffed;
};

struct ClientOptions {
  std::string helo_name;
  bool use_pipelining = true;     // hosts_avoid_pipelining does not match
  bool use_esmtp = true;          // hosts_avoid_esmtp does not match
  bool lmtp = false;              // LHLO, and one reply for each accepted recipient at the end
  uint32_t recipients_max = 100;  // max_rcpt: how many of a transaction are sent; 0: all
};

class ClientEngine {
 public:
  explicit ClientEngine(ClientOptions options) : options_(std::move(options)) {
    expect(Awaited::greeting);
  }
  ClientEngine(const ClientEngine&) = delete;
  ClientEngine& operator=(const ClientEngine&) = delete;

  void receive(std::string_view bytes);
  ClientEvent next();
  bool has_output() const noexcept { return !output_.empty(); }
  std::string take_output();

  // Intents; each in the state that its event names.
  void begin(Transaction transaction);
  void body_sent();
  // The body could not be read; the connection is of no more use.
  void body_failed();
  void quit();
  void starttls();
  // Facts.
  // The handshake is done: what was said in clear is forgotten, and EHLO is said again (RFC 3207).
  void tls_started();
  void peer_closed();
  void timed_out();

  const Capabilities& capabilities() const noexcept { return capabilities_; }
  bool is_esmtp() const noexcept { return esmtp_; }
  bool was_pipelined() const noexcept { return pipelined_; }
  bool used_bdat() const noexcept { return use_bdat_; }
  const ServerReply& greeting() const noexcept { return greeting_; }
  // First line of the EHLO or HELO reply.
  const std::string& helo_line() const noexcept { return helo_line_; }
  // After tls_refused.
  const ServerReply& tls_refusal() const noexcept { return tls_refusal_; }
  // After transaction_done: one for each recipient, in order; and what became of the message.
  const std::vector<Outcome>& outcomes() const noexcept { return outcomes_; }
  const Outcome& message_outcome() const noexcept { return message_outcome_; }
  // After session_failed.
  const Outcome& failure() const noexcept { return failure_; }
  const Transaction& transaction() const noexcept { return transaction_; }

 private:
  enum class State : uint8_t {
    greeting,
    helo,
    ready,
    starttls,
    transaction,
    quitting,
    failed,
    closed
  };
  enum class Awaited : uint8_t {
    greeting,
    ehlo,
    helo,
    starttls,
    rset,
    mail,
    rcpt,
    data,
    end,
    quit
  };
  struct Expected {
    Awaited what;
    uint32_t recipient = 0;
  };

  bool take_reply();
  void on_reply(Expected expected, ServerReply reply);
  void on_greeting(ServerReply reply);
  void on_helo(Expected expected, ServerReply reply);
  void on_starttls(ServerReply reply);
  void on_mail(ServerReply reply);
  void on_rcpt(uint32_t recipient, ServerReply reply);
  void on_data(ServerReply reply);
  void on_end(Expected expected, ServerReply reply);
  bool check_transaction();
  void advance();
  void send_helo(Awaited what);
  void send_mail();
  void send_rcpt(uint32_t recipient);
  void send_data();
  void send_recipient_group();
  void start_body();
  void expect(Awaited what, uint32_t recipient = 0) { expected_.push_back({what, recipient}); }
  size_t replies_awaited() const noexcept { return expected_.size() - expected_at_; }
  bool has(Extension e) const noexcept { return esmtp_ && capabilities_.has(e); }
  void settle_message(Outcome outcome);
  void finish_transaction();
  void finish_probe();
  void fail_session(Outcome outcome);
  void lost(std::string problem);
  std::string command_text(Expected expected) const;
  Phase phase() const noexcept;

  ClientOptions options_;
  State state_ = State::greeting;
  bool esmtp_ = false;
  bool pipelined_ = false;
  bool use_bdat_ = false;
  bool mail_sent_ = false;
  bool data_sent_ = false;        // DATA or BDAT
  bool body_wanted_ = false;      // send_body is to be reported
  bool body_open_ = false;        // send_body was reported, body_sent() is to come
  bool body_gone_ = false;        // all of the body was sent: losing the line is "in doubt"
  bool lone_dot_ = false;         // an empty message was ended, because nobody would get it
  bool message_settled_ = false;  // message_outcome_ is known
  bool needs_rset_ = false;       // the server still has an envelope of ours
  bool ready_pending_ = false;
  bool done_pending_ = false;
  bool failed_pending_ = false;
  bool tls_pending_ = false;  // tls_ready or tls_refused is to be reported
  uint32_t recipients_to_send_ = 0;
  uint32_t recipients_sent_ = 0;
  uint32_t recipients_good_ = 0;
  size_t input_at_ = 0;
  size_t expected_at_ = 0;
  std::string input_;
  std::string output_;
  std::string mail_line_;
  std::string helo_line_;
  ReplyParser parser_;
  std::vector<Expected> expected_;
  Capabilities capabilities_;
  ServerReply greeting_;
  ServerReply tls_refusal_;
  Transaction transaction_;
  std::vector<Outcome> outcomes_;
  std::vector<bool> settled_;   // outcomes_[n] is final
  std::vector<bool> accepted_;  // RCPT n was accepted
  Outcome message_outcome_;
  Outcome failure_;
};

}  // namespace godwit::smtp
