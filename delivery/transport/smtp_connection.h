// SmtpConnection: one connection to one remote host. It takes jobs, each some recipients of one
// message, and answers them in their order; where the server offers CHUNKING and PIPELINING several
// may be under way (smtp_pipeline_depth). One coroutine at a time drives it.
// smtp_session.cc opens it, smtp_body.cc writes messages, smtp_outcome.h words what comes of it.
#pragma once

#include "core/io/connector.h"
#include "delivery/transport/ehlo_memory.h"
#include "delivery/transport/events.h"
#include "delivery/transport/late_options.h"
#include "delivery/transport/smtp_outcome.h"
#include "delivery/transport/smtp_transport.h"
#include "delivery/transport/socks_proxies.h"
#include "protocol/smtp/client_engine.h"
#include "tls/tls_stream.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::delivery {

// What a connection is told to send. Views and references outlive the job.
struct SmtpJob {
  const Envelope& envelope;
  const MessageContent& content;
  std::string_view sender;  // the return path
  std::vector<smtp::ClientRecipient> recipients;
  std::optional<int> utf8_downconvert = std::nullopt;  // 1, 0 or -1; nothing: as the message says
};

// What is known before a connection is opened.
struct SmtpOpening {
  std::string helo_name;              // empty: `late` knows it
  std::shared_ptr<LateOptions> late;  // null: no option waits for the connection
  std::optional<IpAddress> from;
  bool pipelining = true;
  bool esmtp = true;
  bool chunking = true;
  bool prdr = true;
  bool fast_open = false;           // TCP Fast Open
  bool secure = false;              // DNSSEC vouches for the host's address
  std::vector<SocksProxy> proxies;  // in the order of trying; empty: none is used
  TlsPlan tls;
  std::optional<EhloMemory> memory;        // hosts_pipe_connect
  bool uses_memory = true;                 // false: learns, and does not believe
  std::optional<Seconds> connect_timeout;  // in place of the transport's
  std::optional<Seconds> command_timeout;
  EventSink* events = nullptr;  // told while the connection is opened; null: nobody
};

inline constexpr Seconds kQuitTimeout{5};

// 1, 0 or -1; nothing for any other text.
std::optional<int> parse_utf8_downconvert(std::string_view text);

class SmtpConnection {
 public:
  // The references outlive the connection.
  SmtpConnection(Loop& loop, Connector& connector, const SmtpTransport& transport,
                 std::string host_name, Endpoint to, bool is_mx);
  ~SmtpConnection();

  // Connects, takes the greeting, says EHLO, begins TLS as planned. Otherwise a host error for
  // every recipient of whoever asked for the connection; tls_problem() where TLS is why.
  Task<std::optional<DeliveryOutcome>> open(SmtpOpening opening);

  // One outcome a recipient, in order. is_usable() tells whether another job may follow.
  Task<std::vector<DeliveryOutcome>> send(SmtpJob job);
  // The same in two steps, for several jobs at a time. start() is done when the job is sent as far
  // as it can be; finish() when the oldest one has all its answers, or, without outcomes, on
  // nudge(). Also jobs that the loss of the connection ended are to be finished.
  bool may_start(const SmtpJob& job) const;
  bool has_room() const noexcept { return engine_ != nullptr && engine_->has_room(); }
  Task<void> start(SmtpJob job);
  Task<std::optional<std::vector<DeliveryOutcome>>> finish();
  // Lets a finish() that waits return, since there may be another job to start.
  void nudge();

  // Asks whether the host would take the recipient; no message follows. On an open connection
  // without jobs, again while is_usable(). `message_bytes`: what a message would have; 0: unknown.
  Task<smtp::Outcome> probe(std::string sender, std::string recipient, uint64_t message_bytes = 0);

  // QUIT and its answer, within a short time; then the connection is closed.
  Task<void> quit(Seconds limit = kQuitTimeout);
  // Ends whatever is under way: for the end of the process.
  void abort() noexcept {
    aborted_ = true;
    if (socket_ != nullptr) stream().close();
  }

  bool is_usable() const noexcept { return usable_; }
  // False also while it waits for the first bytes to connect with.
  bool is_connected() const noexcept { return socket_ != nullptr; }
  uint32_t messages_sent() const noexcept { return messages_sent_; }
  const std::shared_ptr<const RemoteInfo>& remote() const noexcept { return peer_.remote; }
  // Why a handshake or STARTTLS failed, in the words of the log; empty where nothing did. Where
  // the plan allows it, the host may then be tried in clear.
  const std::string& tls_problem() const noexcept { return tls_problem_; }
  // Not empty: only mail for this domain may be sent, since its name vouched for the host.
  const std::string& only_for() const noexcept { return only_for_; }
  // What the host said, or did, that ended the session; null where it was not that.
  const smtp::Outcome* session_failure() const noexcept {
    const bool is_there = engine_ != nullptr && !engine_->failure().command.empty();
    return is_there ? &engine_->failure() : nullptr;
  }

 private:
  struct Flight {
    SmtpJob job;
    std::vector<DeliveryOutcome> outcomes;
    std::vector<size_t> left;  // recipients without an outcome
    std::optional<Error> spool_error;
  };

  ByteStream& stream() noexcept {
    if (tls_ != nullptr) return *tls_;
    return *socket_;
  }
  Task<std::optional<DeliveryOutcome>> connect_to_host(const SmtpOpening& opening, bool waits);
  Task<Result<size_t>> connect_with(std::string_view first);
  Task<std::string> connect_by_proxy(const SocksProxy& proxy, ConnectOptions options,
                                     Instant deadline);
  Task<std::optional<DeliveryOutcome>> begin_session();
  Task<std::optional<DeliveryOutcome>> start_tls();
  Task<std::optional<DeliveryOutcome>> shake_hands();
  void note_who_is_vouched_for();
  Task<std::optional<DeliveryOutcome>> name_ourselves(std::string& helo_name);
  Task<void> tell_servers_apart();
  DeliveryOutcome host_failure(int error_number, std::string text) const;
  Task<std::optional<DeliveryOutcome>> tell_greeting();
  Task<std::string> tell_certificates();
  Task<void> tell_tls_failure(const DeliveryOutcome& failure);
  void note_remote();
  void remember_ehlo();
  void believe(smtp::ClientOptions& options) const;
  Task<std::optional<smtp::ClientEvent>> pump();
  Task<smtp::ClientEvent> pump_to_event();
  void note_failure(const Error& error);
  void set_phase_deadline(smtp::Phase phase);
  smtp::Transaction transaction_of(const SmtpJob& job) const;
  void downconvert(smtp::Transaction& transaction, const SmtpJob& job) const;
  void begin(const Flight& flight);
  Task<void> write_body(smtp::ClientEvent event);
  void note_outcomes(Flight& flight);
  DeliveryOutcome untaken() const;
  Task<Result<void>> send_body(const MessageContent& content, smtp::BodyForm form, bool canonical);
  Task<Result<void>> send_stored_body(const MessageContent& content, smtp::BodyForm form,
                                      bool canonical);

  Loop& loop_;
  Connector& connector_;
  const SmtpTransport& transport_;
  SmtpPeer peer_;
  std::unique_ptr<ByteStream> socket_;
  std::unique_ptr<tls::TlsStream> tls_;  // over socket_
  TlsPlan plan_;
  std::optional<EhloMemory> memory_;
  std::string tls_problem_;
  std::string only_for_;
  std::optional<ConnectOptions> waiting_;       // connects when there is something to send
  std::optional<DeliveryOutcome> unconnected_;  // and why it could not
  EventSink* events_ = nullptr;                 // while open() runs
  std::shared_ptr<LateOptions> late_;           // the same
  std::unique_ptr<smtp::ClientEngine> engine_;
  std::deque<Flight> jobs_;                      // under way, the oldest first
  std::string early_input_;                      // of the host, with the last answer of its proxy
  std::optional<smtp::ClientEvent> kept_event_;  // of start(), for the next finish()
  uint32_t messages_sent_ = 0;
  std::optional<Seconds> command_timeout_;
  Seconds quit_timeout_ = kQuitTimeout;
  bool usable_ = false;
  bool certificate_denied_ = false;  // by an action; the session goes on without trust
  bool chunking_ = false;
  bool is_secure_ = false;
  bool prdr_ = false;
  bool nudged_ = false;
  bool aborted_ = false;
};

}  // namespace godwit::delivery
