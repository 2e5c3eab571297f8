// The smtp transport: its options, compiled. What happens on a connection is in smtp_connection.h;
// destination queues (delivery/queue) open and keep connections. RFC 5321; EXIM.md 2.8.
#pragma once

#include "delivery/transport/flag_option.h"
#include "delivery/transport/message_options.h"
#include "delivery/transport/smtp_tls.h"
#include "delivery/transport/transport.h"

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
  config::ExpandText dkim_hash;
  config::ExpandText dkim_identity;
  config::ExpandText dkim_private_key;
  config::ExpandText dkim_selector;
  config::ExpandText dkim_sign_headers;
  config::ExpandText dkim_strict;
  config::ExpandText dkim_timestamps;
  bool dns_qualify_single = true;
  bool dns_search_parents = false;
  config::DomainListText dnssec_request_domains;
  config::DomainListText dnssec_require_domains;
  std::string dscp;
  std::string fallback_hosts;
  Seconds final_timeout;
  bool gethostbyname = false;
  config::ExpandText helo_data;
  config::ExpandText host_name_extract;
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
  config::ExpandBool retry_include_ip_address;
  config::HostListText serialize_hosts;
  int64_t size_addition = 0;
  int64_t smtp_pipeline_depth = 0;
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
  config::ExpandText utf8_downconvert;
};

class SmtpTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return true; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;

  const SmtpOptions& smtp() const noexcept { return smtp_; }
  bool is_lmtp() const noexcept { return is_lmtp_; }
  uint16_t default_port() const noexcept { return default_port_; }
  // `port` where it is no constant.
  const acl::Expansion* expanded_port() const noexcept {
    return has_expanded_port_ ? &port_ : nullptr;
  }
  const acl::Expansion& socks_proxy() const noexcept { return socks_proxy_; }
  // dscp: the traffic class byte of the packets.
  std::optional<int> traffic_class() const noexcept { return traffic_class_; }
  const acl::Expansion& helo_data() const noexcept { return helo_data_; }
  const acl::Expansion& host_name_extract() const noexcept { return host_name_extract_; }
  // 1, 0 or -1; anything else leaves it to the message.
  const acl::Expansion& utf8_downconvert() const noexcept { return utf8_downconvert_; }
  const acl::Expansion& interface() const noexcept { return interface_; }
  // The first address of `interface` that has the family of `to`; nothing where the system chooses.
  // On a fiber, unless the option is a constant.
  Result<std::optional<IpAddress>> local_address(const IpAddress& to,
                                                 acl::EvalContext& evaluation) const;
  // Hosts of the transport's own `hosts`, for routers that give none or with hosts_override.
  const acl::Expansion& hosts() const noexcept { return hosts_; }
  const SmtpTlsRules& tls() const noexcept { return tls_; }
  // What decides about a connection and speaks of the message.
  const MessageOptions& of_message() const noexcept { return of_message_; }
  const FlagOption& retry_include_ip() const noexcept { return retry_include_ip_; }
  const FlagOption& multi_domain() const noexcept { return multi_domain_; }
  // True also where it is to be asked for each recipient.
  bool mixes_domains() const noexcept override { return multi_domain_.constant().value_or(true); }
  static bool matches(const std::shared_ptr<const acl::ListPattern>& list,
                      const std::string& host_name, const IpAddress& address,
                      acl::EvalContext& evaluation);
  // The same for what keeps mail safe. True also where the list cannot be asked: `problem` says
  // why, and the host is not to be used now.
  struct ListedHost {
    const std::string& name;
    const IpAddress& address;
  };
  static bool demands(const std::shared_ptr<const acl::ListPattern>& list, std::string_view option,
                      const ListedHost& host, acl::EvalContext& evaluation, std::string& problem);

  std::shared_ptr<const acl::ListPattern> avoid_esmtp;
  std::shared_ptr<const acl::ListPattern> avoid_pipelining;
  std::shared_ptr<const acl::ListPattern> pipe_connect;  // null: none
  std::shared_ptr<const acl::ListPattern> try_chunking;
  std::shared_ptr<const acl::ListPattern> try_fast_open;
  std::shared_ptr<const acl::ListPattern> try_prdr;
  std::shared_ptr<const acl::ListPattern> serialize;  // null: none
  std::shared_ptr<const acl::ListPattern> dnssec_request;
  std::shared_ptr<const acl::ListPattern> dnssec_require;

 private:
  friend std::unique_ptr<Transport> make_smtp_transport(const config::Instance& instance,
                                                        const TransportCompileContext& context);
  SmtpOptions smtp_;
  acl::Expansion helo_data_;
  acl::Expansion host_name_extract_;
  acl::Expansion utf8_downconvert_;
  acl::Expansion interface_;
  acl::Expansion hosts_;
  acl::Expansion port_;
  acl::Expansion socks_proxy_;
  std::optional<int> traffic_class_;
  SmtpTlsRules tls_;
  MessageOptions of_message_;
  FlagOption retry_include_ip_;
  FlagOption multi_domain_;
  uint16_t default_port_ = 25;
  bool is_lmtp_ = false;
  bool has_expanded_port_ = false;
};

}  // namespace godwit::delivery
