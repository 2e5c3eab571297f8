// ClientEngine: the client's side of an SMTP session: greeting, EHLO, transactions, QUIT. Bytes in,
// events out; no socket, no clock. Pipelines where the server offers it, and with BDAT even the
// next transactions: may_begin() says when. They are answered, and reported, in their order. Used
// by: the smtp transport, callouts, tests. The driver is a loop: next(); on any event send
// take_output() first; need_input says which timeout of RFC 5321 4.5.3.2 applies; peer_closed() and
// timed_out() are facts. Lifetime: copies what it is given; results stay until the next begin().
// Errors: a server that breaks the rules gives session_failed, and each recipient an Outcome.
#pragma once

#include "protocol/smtp/client_transaction.h"
#include "protocol/smtp/extensions.h"
#include "protocol/smtp/reply_parser.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
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

enum class ClientEventKind : uint8_t {
  need_input,        // phase says for what
  ready,             // begin(), starttls() or quit()
  tls_ready,         // the server waits for a handshake: shake hands, then tls_started()
  tls_refused,       // STARTTLS was refused, tls_refusal(): ready, in clear
  send_body,         // write the body after take_output(), then body_sent()
  transaction_done,  // outcomes() and message_outcome() are those of the oldest, which has ended
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
  uint32_t pipeline_depth = 1;    // transactions under way at a time
  // Early pipelining: what the server is believed to offer, from an earlier connection. Then EHLO
  // and what follows go out before its greeting, or right behind the handshake.
  std::optional<Capabilities> known;
  std::optional<Capabilities> known_in_tls;  // after STARTTLS
};

class ClientEngine {
 public:
  explicit ClientEngine(ClientOptions options);
  ClientEngine(const ClientEngine&) = delete;
  ClientEngine& operator=(const ClientEngine&) = delete;

  void receive(std::string_view bytes);
  ClientEvent next();
  bool has_output() const noexcept { return !output_.empty(); }
  std::string take_output();

  // Intents; each in the state that its event names, begin() also where may_begin() says so.
  void begin(Transaction transaction);
  // True after `ready`, and where the transaction may follow at once on those that are under way.
  bool may_begin(const Transaction& transaction) const;
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
  bool is_ready() const noexcept { return state_ == State::ready && !ready_pending_; }
  bool has_room() const noexcept { return flights_.size() < options_.pipeline_depth; }
  // False where the newest transaction left out recipients: `not_tried`.
  bool takes_all() const noexcept { return flights_.empty() || !flights_.back().is_partial; }
  // Transactions that were begun and not yet reported.
  size_t under_way() const noexcept { return flights_.size(); }
  // False where as many as the server takes on one connection were begun (RFC 9422 MAILMAX).
  bool takes_more() const noexcept {
    return capabilities_.mail_max == 0 || begun_ < capabilities_.mail_max;
  }
  const ServerReply& greeting() const noexcept { return greeting_; }
  // The EHLO or HELO reply, its lines with their codes.
  const std::string& helo_reply() const noexcept { return helo_reply_; }
  // The words of that reply, as parse_capabilities() reads them.
  const std::string& helo_text() const noexcept { return helo_text_; }
  // After tls_refused.
  const ServerReply& tls_refusal() const noexcept { return tls_refusal_; }
  // After transaction_done: what was sent; an outcome for each recipient, in order; and what became
  // of the message.
  const Transaction& transaction() const noexcept { return done_.transaction; }
  const std::vector<Outcome>& outcomes() const noexcept { return done_.outcomes; }
  const Outcome& message_outcome() const noexcept { return done_.message_outcome; }
  bool was_pipelined() const noexcept { return done_.pipelined; }
  bool used_bdat() const noexcept { return done_.use_bdat; }
  bool used_prdr() const noexcept { return done_.use_prdr; }
  bool was_early() const noexcept { return done_.is_early; }
  // The commands of the transaction, and before the first one those that opened the session, for
  // log lines: E EHLO, H HELO, S STARTTLS, Z RSET, M MAIL, R RCPT (with their number where there
  // are several in a row), D DATA, B BDAT, a dot for the end of data.
  const std::string& steps() const noexcept { return done_.steps; }
  // The session failed since the server is not what it was believed to be, or will not be spoken
  // to before it has spoken: nothing was delivered, and without a belief it may well be.
  bool was_belief_wrong() const noexcept { return belief_wrong_; }
  // capabilities() are believed, not said.
  bool believes() const noexcept { return believes_; }
  // After session_failed.
  const Outcome& failure() const noexcept { return failure_; }

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
    end,   // of the data; in LMTP that of one recipient
    prdr,  // of one recipient, after 353
    prdr_end,
    quit
  };
  struct Expected {
    Awaited what;
    uint32_t recipient = 0;
    uint32_t flight = 0;  // serial number of the transaction; those outside of one: any
  };
  // Where losing the connection leaves what was not answered.
  enum class Loss : uint8_t { closed, unclear };

  bool take_reply();
  void on_reply(Expected expected, ServerReply reply);
  void on_greeting(ServerReply reply);
  void on_helo(Expected expected, ServerReply reply);
  void refuse_session(std::string command, ServerReply reply);
  void check_belief(Expected expected, ServerReply reply);
  void on_starttls(ServerReply reply);
  void on_mail(ClientFlight& flight, ServerReply reply);
  void on_rcpt(ClientFlight& flight, Expected expected, ServerReply reply);
  void on_data(ClientFlight& flight, Expected expected, ServerReply reply);
  void on_end(ClientFlight& flight, Expected expected, ServerReply reply);
  void on_prdr(ClientFlight& flight, Expected expected, ServerReply reply);
  void on_prdr_end(ClientFlight& flight, Expected expected, ServerReply reply);
  void await_prdr(ClientFlight& flight, uint32_t serial);
  void choose_recipients(ClientFlight& flight) const;
  bool check_transaction(ClientFlight& flight);
  void advance();
  void send_helo(Awaited what);
  bool begin_early(const std::optional<Capabilities>& known);
  void send_mail(ClientFlight& flight);
  void send_rcpt(const ClientFlight& flight, uint32_t recipient);
  void send_data(ClientFlight& flight);
  void send_recipient_group(ClientFlight& flight);
  void start_body(const ClientFlight& flight);
  void expect(Awaited what, uint32_t recipient = 0);
  void note_step(Awaited what);
  size_t replies_awaited() const noexcept { return expected_.size() - expected_at_; }
  bool has(Extension e) const noexcept { return esmtp_ && capabilities_.has(e); }
  ClientFlight& flight_of(Expected expected) { return flights_[expected.flight - first_flight_]; }
  bool is_over(const ClientFlight& flight) const noexcept;
  void settle_message(ClientFlight& flight, Outcome outcome);
  void finish(ClientFlight& flight);
  void finish_probe(ClientFlight& flight);
  void fail_session(Outcome outcome, Loss loss = Loss::closed);
  Outcome outcome_of_lost(const ClientFlight& flight, const Outcome& first, Loss loss) const;
  void lost(std::string problem, Loss loss);
  std::string command_text(Expected expected) const;
  Phase phase() const noexcept;

  ClientOptions options_;
  State state_ = State::greeting;
  bool esmtp_ = false;
  bool body_wanted_ = false;  // send_body is to be reported, for the newest transaction
  bool body_open_ = false;    // send_body was reported, body_sent() is to come
  bool needs_rset_ = false;   // the server still has an envelope of ours
  bool ready_pending_ = false;
  bool failed_pending_ = false;
  bool tls_pending_ = false;  // tls_ready or tls_refused is to be reported
  bool believes_ = false;     // capabilities_ are not yet those that EHLO said
  bool was_early_ = false;    // they once were not
  bool belief_wrong_ = false;
  uint32_t begun_ = 0;
  uint32_t first_flight_ = 0;  // serial number of flights_.front()
  size_t input_at_ = 0;
  size_t expected_at_ = 0;
  std::string input_;
  std::string output_;
  std::string helo_reply_;
  std::string helo_text_;
  std::string session_steps_;
  ReplyParser parser_;
  std::vector<Expected> expected_;
  Capabilities capabilities_;
  ServerReply greeting_;
  ServerReply tls_refusal_;
  std::deque<ClientFlight> flights_;  // the oldest first
  ClientFlight done_;                 // the last one that was reported
  Outcome failure_;
};

}  // namespace godwit::smtp
