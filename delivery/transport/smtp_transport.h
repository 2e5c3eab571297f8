// The smtp transport: options, and SmtpConnection, one connection to one remote host over which
// transactions go one after the other. Destination queues (delivery/queue) open and keep
// connections. RFC 5321; EXIM.md 2.8.
#pragma once

#include "core/io/uv_stream.h"
#include "delivery/transport/events.h"
#include "delivery/transport/smtp_tls.h"
#include "delivery/transport/transport.h"
#include "protocol/smtp/client_engine.h"
#include "tls/tls_stream.h"

namespace godwit::delivery {

struct SmtpOptions {
  bool address_retry_include_sender = true;
  bool allow_localhost = false;
  config::ExpandText authenticated_sender;
  bool authenticated_sender_force = false;
  Seconds command_timeout;
  int64_t connection_max_messages = 0;
  Seconds connect_timeout;
  config::ExpandText dane_require_tls_ciphers;
  Seconds data_timeout;
  bool delay_after_cutoff = true;
  int64_t destination_concurrency_initial = 0;
  int64_t destination_concurrency_limit = 0;
  Seconds destination_idle_timeout;
  config::ExpandText dkim_canon;
  config::ExpandText dkim_domain;
  config::ExpandText dkim_private_key;
  config::ExpandText dkim_selector;
  config::ExpandText dkim_sign_headers;
  config::ExpandText dkim_strict;
  bool dns_qualify_single = true;
  bool dns_search_parents = false;
  config::DomainListText dnssec_request_domains;
  config::DomainListText dnssec_require_domains;
  std::string dscp;
  std::string fallback_hosts;
  Seconds final_timeout;
  bool gethostbyname = false;
  config::ExpandText helo_data;
  config::ExpandText hosts;
  config::HostListText hosts_avoid_esmtp;
  config::HostListText hosts_avoid_pipelining;
  config::HostListText hosts_avoid_tls;
  int64_t hosts_max_try = 0;
  int64_t hosts_max_try_hardlimit = 0;
  config::HostListText hosts_nopass_tls;
  config::HostListText hosts_noproxy_tls;
  bool hosts_override = false;
  config::HostListText hosts_pipe_connect;
  bool hosts_randomize = false;
  config::HostListText hosts_request_ocsp;
  config::HostListText hosts_require_alpn;
  config::HostListText hosts_require_auth;
  config::HostListText hosts_require_dane;
  config::HostListText hosts_require_ocsp;
  config::HostListText hosts_require_tls;
  config::HostListText hosts_try_auth;
  config::HostListText hosts_try_chunking;
  config::HostListText hosts_try_dane;
  config::HostListText hosts_try_fastopen;
  config::HostListText hosts_try_prdr;
  config::HostListText hosts_verify_avoid_tls;
  config::ExpandText interface;
  bool keepalive = true;
  bool lmtp_ignore_quota = false;
  int64_t max_rcpt = 0;
  int64_t message_linelength_limit = 0;
  config::ExpandBool multi_domain;
  config::ExpandText port;
  std::string protocol;
  config::ExpandText retry_include_ip_address;
  config::HostListText serialize_hosts;
  int64_t size_addition = 0;
  config::ExpandText socks_proxy;
  config::ExpandText tls_alpn;
  config::ExpandText tls_certificate;
  config::ExpandText tls_crl;
  int64_t tls_dh_min_bits = 0;
  config::ExpandText tls_privatekey;
  config::ExpandText tls_require_ciphers;
  config::HostListText tls_resumption_hosts;
  config::ExpandText tls_sni;
  bool tls_tempfail_tryclear = true;
  config::HostListText tls_try_verify_hosts;
  config::HostListText tls_verify_cert_hostnames;
  config::ExpandText tls_verify_certificates;
  config::HostListText tls_verify_hosts;
  config::ExpandText tpda_host_defer_action;
  int64_t utf8_downconvert = 0;
};

class SmtpTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return true; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;

  const SmtpOptions& smtp() const noexcept { return smtp_; }
  bool is_lmtp() const noexcept { return is_lmtp_; }
  uint16_t default_port() const noexcept { return default_port_; }
  const acl::Expansion& helo_data() const noexcept { return helo_data_; }
  const acl::Expansion& interface() const noexcept { return interface_; }
  // Hosts of the transport's own `hosts`, for routers that give none or with hosts_override.
  const acl::Expansion& hosts() const noexcept { return hosts_; }
  const SmtpTlsRules& tls() const noexcept { return tls_; }
  bool includes_ip_in_retry() const noexcept { return retry_include_ip_; }
  bool mixes_domains() const noexcept override { return multi_domain_; }
  static bool matches(const std::shared_ptr<const acl::ListPattern>& list,
                      const std::string& host_name, const IpAddress& address,
                      acl::EvalContext& evaluation);

  std::shared_ptr<const acl::ListPattern> avoid_esmtp;
  std::shared_ptr<const acl::ListPattern> avoid_pipelining;
  std::shared_ptr<const acl::ListPattern> try_chunking;

 private:
  friend std::unique_ptr<Transport> make_smtp_transport(const config::Instance& instance,
                                                        const TransportCompileContext& context);
  SmtpOptions smtp_;
  acl::Expansion helo_data_;
  acl::Expansion interface_;
  acl::Expansion hosts_;
  SmtpTlsRules tls_;
  uint16_t default_port_ = 25;
  bool is_lmtp_ = false;
  bool retry_include_ip_ = true;
  bool multi_domain_ = true;
};

// What a connection is told to send. Views and references outlive the call.
struct SmtpJob {
  const Envelope& envelope;
  const MessageContent& content;
  std::string_view sender;  // the return path
  std::vector<smtp::ClientRecipient> recipients;
};

// What is known before a connection is opened.
struct SmtpOpening {
  std::string helo_name;
  std::optional<IpAddress> from;
  bool pipelining = true;
  bool esmtp = true;
  bool chunking = true;
  TlsPlan tls;
  EventSink* events = nullptr;  // told while the connection is opened; null: nobody
};

class SmtpConnection {
 public:
  // The references outlive the connection.
  SmtpConnection(Loop& loop, const SmtpTransport& transport, std::string host_name, Endpoint to,
                 bool is_mx);
  ~SmtpConnection();

  // Connects, takes the greeting, says EHLO, begins TLS as planned. Otherwise a host error for
  // every recipient of whoever asked for the connection; tls_problem() where TLS is why.
  Task<std::optional<DeliveryOutcome>> open(SmtpOpening opening);
  // One outcome a recipient, in order. is_usable() tells whether another job may follow.
  Task<std::vector<DeliveryOutcome>> send(SmtpJob job);
  // QUIT and its answer, within a short time; then the connection is closed.
  Task<void> quit();
  // Ends whatever is under way: for the end of the process.
  void abort() noexcept {
    if (socket_ != nullptr) stream().close();
  }

  bool is_usable() const noexcept { return usable_; }
  bool is_connected() const noexcept { return socket_ != nullptr; }
  // Idle for long enough that the server may have left; a readable idle connection is at its end.
  uint32_t messages_sent() const noexcept { return messages_sent_; }
  const std::shared_ptr<const RemoteInfo>& remote() const noexcept { return remote_; }
  ByteStream& stream() noexcept {
    if (tls_ != nullptr) return *tls_;
    return *socket_;
  }
  // Why a handshake or STARTTLS failed, in the words of the log; empty where nothing did. Where
  // the plan allows it, the host may then be tried in clear.
  const std::string& tls_problem() const noexcept { return tls_problem_; }

 private:
  smtp::Transaction transaction_of(const SmtpJob& job) const;
  Task<std::optional<Error>> run_transaction(const SmtpJob& job, smtp::Transaction transaction);
  Task<smtp::ClientEvent> pump();
  Task<std::optional<DeliveryOutcome>> begin_session();
  Task<std::optional<DeliveryOutcome>> start_tls();
  Task<std::optional<DeliveryOutcome>> shake_hands();
  DeliveryOutcome tls_failure(int error_number, std::string text);
  DeliveryOutcome refused_by_event(int error_number, std::string text) const;
  Task<std::optional<DeliveryOutcome>> tell_greeting();
  Task<void> tell_tls_failure(const DeliveryOutcome& failure);
  void note_remote();
  Task<Result<void>> send_body(const MessageContent& content, smtp::BodyForm form, bool canonical);
  Task<Result<void>> send_stored_body(const MessageContent& content, smtp::BodyForm form,
                                      bool canonical);
  void set_phase_deadline(smtp::Phase phase);
  DeliveryOutcome outcome_of(const smtp::Outcome& outcome) const;
  DeliveryOutcome host_failure(const Error& error) const;

  Loop& loop_;
  const SmtpTransport& transport_;
  Endpoint to_;
  std::unique_ptr<UvStream> socket_;
  std::unique_ptr<tls::TlsStream> tls_;  // over socket_
  TlsPlan plan_;
  std::string tls_problem_;
  EventSink* events_ = nullptr;  // while open() runs
  std::unique_ptr<smtp::ClientEngine> engine_;
  std::shared_ptr<const RemoteInfo> remote_;
  std::string host_name_;
  uint32_t messages_sent_ = 0;
  bool is_mx_ = false;
  bool usable_ = false;
  bool chunking_ = false;
};

}  // namespace godwit::delivery
