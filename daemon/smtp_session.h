// SmtpSession: one client, one coroutine, from the greeting to the close. It moves bytes between a
// stream and a ServerEngine, gathers facts, asks ACLs, puts messages into the spool, and answers.
// 250 after the end of data is said when, and only when, the message is on disk.
#pragma once

#include "acl/expand/client.h"
#include "acl/expand/trace_record.h"
#include "acl/policy/acl.h"
#include "core/base/block_pool.h"
#include "daemon/header_edits.h"
#include "daemon/inbound.h"
#include "daemon/services.h"
#include "delivery/rewrite/rewrite.h"
#include "protocol/message/body_ends.h"
#include "protocol/smtp/server_engine.h"
#include "protocol/spool_format/envelope.h"
#include "tls/tls_stream.h"

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace godwit::daemon {

// What a session has gathered for the message under way.
struct SessionFacts {
  acl::ConnectionFacts connection;
  acl::MessageFacts message;
  acl::AclVariables connection_variables;
  acl::AclVariables message_variables;
};

// What -oMa and its kin say of a message that comes in on standard input.
struct ClaimedOrigin {
  std::string host_name;      // -oMs
  std::string ident;          // -oMt; the login where there is no host
  std::string protocol;       // -oMr, for -bS
  std::string authenticator;  // -oMaa
  std::string auth_id;        // -oMai
  std::string auth_sender;    // -oMas
  std::string reference;      // -oMm: the message that this one reports on
};

// Who is at the other end. No peer: -bs, mail from a local process.
struct SessionOrigin {
  std::optional<Endpoint> peer;
  std::optional<Endpoint> local;
  std::string login;  // -bs: who runs it
  int64_t uid = 0;
  int64_t gid = 0;
  ClaimedOrigin claimed;
  bool is_stdio = false;    // -bs, -bS: a local process, perhaps in the name of a host
  bool is_batch = false;    // -bS: no replies are read, the first error ends it
  bool queue_only = false;  // -odq
  bool tls_on_connect = false;
  FastOpen fast_open = FastOpen::no;
  bool is_test = false;               // -bh: nothing is kept
  bool overrides_queue_only = false;  // -odb, -odi
  acl::Trace* trace = nullptr;
  acl::TraceRecord* record = nullptr;  // the trace, where it is kept for --explain
  SessionFacts* facts = nullptr;       // kept up to date with each recipient, and at the end
};

class SmtpSession {
 public:
  SmtpSession(Inbound& inbound, ByteStream& stream, SessionOrigin origin);
  ~SmtpSession();
  SmtpSession(const SmtpSession&) = delete;
  SmtpSession& operator=(const SmtpSession&) = delete;

  Task<void> run();

  // The server is stopping: a session that waits for a command is told 421 and ends.
  void stop() noexcept;
  // It ends now: one that waits for the client is told 421.
  void abort() noexcept;
  // What run() has brought: for -bs and -bS.
  uint32_t messages_accepted() const noexcept { return messages_accepted_; }
  // The input ended without QUIT, or nothing came for too long.
  bool was_cut_off() const noexcept { return was_cut_off_; }
  // -bS: what ended it before its end.
  struct BatchFailure {
    std::string reply;
    std::string command;  // empty: it was about a message, or nothing came
    uint64_t transaction_line = 0;
    uint64_t line = 0;
  };
  const std::optional<BatchFailure>& batch_failure() const noexcept { return batch_failure_; }

 private:
  // What the client gave, before any rewriting.
  struct SentEnvelope {
    std::string sender;
    std::vector<EnvelopeRecipient> recipients;
  };
  // A message that is coming in.
  struct Incoming {
    message::MessageId id;
    std::string head;                            // up to the end of the header section
    std::string received;                        // the Received: line that goes before it
    std::optional<message::BodyEnds> body_ends;  // where $message_body is asked for
    bool is_whole = false;                       // the text has come, and `received` is made
    std::optional<SentEnvelope> as_sent;         // where rewriting may have changed it
    WallTime began;
    std::unique_ptr<spool::MessageWriter> writer;
    bool head_done = false;
    std::optional<Error> failure;                       // the spool refused a part
    std::vector<message::FieldPlace> rewritten_fields;  // where rewriting changed `head`
    std::string_view prdr_result;  // how the last reply ends where PRDR was used
  };

  // --- Bytes
  Task<bool> flush();
  void give_input(std::string_view bytes);
  Task<bool> fill();
  Task<void> end_of_input(bool timed_out);
  std::string end_of_standard_input(bool timed_out);
  void log_lost_client();

  // --- Batches (-bS)
  uint64_t batch_line() const;
  bool fails_batch(const smtp::Event& event, size_t output_before);
  std::string last_reply(size_t output_before) const;
  void fail_batch(std::string reply, std::string command, uint64_t line);
  std::string batch_words(const std::string& code, std::string_view text) const;

  ByteStream& stream() noexcept {
    if (tls_ != nullptr) return *tls_;
    return plain_;
  }

  // --- TLS
  struct TlsBasis {
    TlsAnswer answer;
    std::shared_ptr<const tls::ServerContext> context;
  };
  Task<Result<TlsBasis>> tls_basis();
  Task<bool> on_starttls();
  Task<bool> begin_tls_on_connect();
  Task<bool> begin_tls(TlsBasis basis);
  Task<std::string> tell_certificates();
  void log_tls_error(std::string_view what, std::string_view why);
  acl::ListSubject client_subject() const;
  std::string tls_text() const;

  // --- Connection. What asks lists and expressions runs on a fiber.
  struct Admission {
    bool is_reserved = false;
    bool is_rejected = false;
    int64_t load = -1;  // over smtp_load_reserve, and the host has no reservation
    bool is_logged = false;
    uint64_t host_limit = 0;
  };
  Admission admission();
  smtp::ServerLimits limits();
  smtp::Offer offer();
  bool matches(const acl::ListPattern* list);
  Task<void> slow_down(const CommandBrake& brake, uint32_t number);
  uint64_t number_of(const acl::Expansion* expression);
  Task<bool> admit();
  Task<void> refuse_connection(smtp::ReplyView reply, std::string_view why);
  Task<bool> greet();
  struct Greeting;
  Task<Greeting> judge_connection();
  Task<bool> greet_early(bool requires_alpn);
  Task<void> converse();
  Task<bool> handle(const smtp::Event& event);
  Task<bool> handle_traced(const smtp::Event& event, size_t output_before);
  void give_facts();
  void keep_record();
  Task<void> ask_notquit();

  // What an ACL says.
  struct Judgement {
    acl::AclVerdict verdict = acl::AclVerdict::accept;
    smtp::Reply reply;  // for what is not accepted
    std::string message;
    std::string log_message;
    bool drop = false;
  };
  // What acl_smtp_connect and smtp_banner say.
  struct Greeting {
    Judgement judgement;
    acl::EvalResult banner;
  };

  // --- Commands
  Task<void> on_helo(std::string_view name);
  Task<void> on_mail();
  Task<bool> take_mail_auth(std::string claimed);
  Task<void> on_rcpt();
  Task<void> on_body_start();
  Task<void> on_body_chunk(std::string_view bytes);
  Task<void> on_body_end();
  void set_address(std::string_view address);
  Task<void> on_path(std::string_view path);
  Task<void> on_vrfy(const std::string& argument);
  Task<std::optional<Judgement>> permission(acl::AclWhere where, const std::string& argument);
  Task<void> on_expn(const std::string& argument);
  std::string expanded(std::string address, uint16_t& code);
  Task<void> on_etrn(const std::string& argument);
  Result<std::vector<std::string>> etrn_command(const std::string& argument);
  void on_error(std::string_view text);
  Task<std::string> raise_event(std::string name, std::string data);
  Task<void> raise_failure();
  Task<void> on_close(std::string_view why);

  // --- Messages
  void fix_submission();
  void scan_header_fields();
  Task<void> rewrite_addresses();
  void tell_rewriting(const rewrite::RewriteNotes& notes);
  const std::vector<message::FieldPlace>& header_fields() const noexcept;
  Task<bool> ask_data_acl();
  void show_header_section();
  Task<bool> ask_recipients();
  Task<acl::AclVerdict> ask_recipient(const std::string& address);
  Task<void> commit();
  Envelope make_envelope() const;
  std::string worded_received_line();
  std::string native_received_line() const;
  std::string rejected_header() const;
  std::string arrival_line(const Envelope& envelope) const;
  void tell_discarded(const std::string& id, std::string_view arrival);
  void log_incomplete(std::string_view why);
  void forget_transaction();

  // --- Policy
  Task<Judgement> ask(acl::AclWhere where, std::string_view subject);
  // True where the command is accepted.
  bool answer(const Judgement& judgement, smtp::ReplyView accepted);
  void write_notes(const std::vector<acl::LogWrite>& notes);
  void apply(acl::AclEffects&& effects);
  acl::EvalContext& context();
  void log_client_name();
  std::string tell_sender_failure(const acl::AclOutcome& outcome);
  bool verify_helo();
  std::string refusal_line(std::string_view text);
  std::string closing_line(const std::string& why) const;
  void log_discarded(std::string_view recipient, std::string_view acl, std::string_view why);
  void log_rejection(acl::AclWhere where, const acl::AclOutcome& outcome, std::string_view subject);

  // --- Words
  void note_command(smtp::EventKind kind);
  std::string commands_text() const;
  std::string host_text() const;  // "H=(helo) [192.0.2.1]"
  std::string connection_id_field() const;
  std::string protocol_name() const;
  void log(LogEvent event, std::string_view text, LogFiles files = LogFiles::main,
           std::string_view message_id = {});
  bool selects(config::LogSelector selector) const noexcept;
  std::string qualified(const smtp::Path& path, const std::string& domain) const;

  Inbound& inbound_;
  ByteStream& plain_;
  std::unique_ptr<tls::TlsStream> tls_;  // over plain_
  SessionOrigin origin_;
  smtp::ServerEngine engine_;
  PooledBytes input_;  // what the engine works on; stays while something is awaited
  MessageServices asks_;
  acl::ConnectionFacts connection_;
  acl::ClientIdentity client_{connection_};
  acl::MessageFacts message_;
  acl::AddressFacts address_;
  acl::AclVariables connection_variables_;
  acl::AclVariables message_variables_;
  acl::EvalContext evaluation_;
  std::string helo_name_;
  Incoming incoming_;
  std::vector<EnvelopeRecipient> recipients_;
  std::string sender_;
  acl::AclControls controls_;
  HeaderEdits header_edits_;
  WallTime connected_;
  Seconds receive_timeout_{300};
  uint32_t messages_accepted_ = 0;
  uint32_t mails_seen_ = 0;
  bool is_braked_ = false;                 // smtp_ratelimit_hosts
  std::string why_queued_;                 // the last message; empty: it was not
  std::array<smtp::Verb, 20> commands_{};  // the last of them, in a ring
  uint32_t command_count_ = 0;
  smtp::DsnReturn dsn_ret_ = smtp::DsnReturn::unspecified;
  std::string dsn_envid_;
  std::string auth_sender_;
  bool eight_bit_ = false;
  bool smtputf8_ = false;
  bool is_reading_ = false;
  bool waiting_for_command_ = false;  // with no transaction begun
  bool stop_requested_ = false;
  bool said_quit_ = false;
  bool was_cut_off_ = false;
  std::optional<std::string> mail_discarded_;  // by the MAIL ACL: all recipients; what it logs
  std::optional<std::string> data_discarded_;  // by the DATA ACL; what it logs
  bool counted_ = false;
  bool is_connection_logged_ = false;  // smtp_connection, and not hosts_connection_nolog
  std::set<std::string> warnings_;     // of `warn`, for this message
  bool sender_failure_told_ = false;
  bool recipients_limit_told_ = false;
  bool client_name_logged_ = false;
  acl::EventFacts failure_;  // of the command under way, for event_action; no name: none
  bool tls_on_connect_ = false;
  bool greeted_early_ = false;        // in the handshake of TLS on connect
  std::optional<Greeting> greeting_;  // asked for there, and not said
  std::string recorded_id_;           // a message whose record is to be kept
  size_t record_start_ = 0;           // what is of the connection, not of one message
  std::optional<BatchFailure> batch_failure_;
  uint64_t lines_received_ = 0;    // of a batch
  uint64_t transaction_line_ = 0;  // where the last command or message before it ended
};

}  // namespace godwit::daemon
