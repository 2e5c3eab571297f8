// MainOptions: every option of the main section, as plain fields named as an operator writes them.
// Types are the option's types (option.h). Rows, defaults and documentation are in
// main_options_<group>.cc; this file has the structs that they fill.
// Used by all floors above through the configuration snapshot. Never changes after load.
#pragma once

#include "core/config/option.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace godwit::config {

// Which ACL runs when, and the filters that ACLs ask.
struct AclOptions {
  ExpandText acl_not_smtp;
  ExpandText acl_not_smtp_mime;
  ExpandText acl_not_smtp_start;
  ExpandText acl_smtp_atrn;
  ExpandText acl_smtp_auth;
  ExpandText acl_smtp_connect;
  ExpandText acl_smtp_data;
  ExpandText acl_smtp_data_prdr;
  ExpandText acl_smtp_dkim;
  ExpandText acl_smtp_etrn;
  ExpandText acl_smtp_expn;
  ExpandText acl_smtp_helo;
  ExpandText acl_smtp_mail;
  ExpandText acl_smtp_mailauth;
  ExpandText acl_smtp_mime;
  ExpandText acl_smtp_notquit;
  ExpandText acl_smtp_predata;
  ExpandText acl_smtp_quit;
  ExpandText acl_smtp_rcpt;
  ExpandText acl_smtp_starttls;
  ExpandText acl_smtp_vrfy;
  ExpandText acl_smtp_wellknown;
  ExpandText av_scanner;
  std::string bmi_config_file;
  bool dcc_direct_add_header = false;
  ExpandText dccifd_address;
  ExpandText dccifd_options;
  std::string dkim_verify_hashes;
  std::string dkim_verify_keytypes;
  std::string dkim_verify_min_keysizes;
  bool dkim_verify_minimal = false;
  ExpandText dkim_verify_signers;
  ExpandText dmarc_forensic_sender;
  ExpandText dmarc_history_file;
  ExpandText dmarc_tld_file;
  ExpandText spamd_address;
  std::string spf_guess;
  std::string spf_smtp_comment_template;
  bool strict_acl_vars = false;
};

// How SMTP is spoken with clients.
struct SmtpInputOptions {
  bool accept_8bitmime = false;
  bool allow_domain_literals = false;
  bool allow_utf8_domains = false;
  HostListText auth_advertise_hosts;
  HostListText chunking_advertise_hosts;
  HostListText dsn_advertise_hosts;
  HostListText enhanced_status_advertise_hosts;
  HostListText helo_accept_junk_hosts;
  std::string helo_allow_chars;
  DomainListText helo_lookup_domains;
  HostListText helo_try_verify_hosts;
  HostListText helo_verify_hosts;
  HostListText host_lookup;
  std::string host_lookup_order;
  HostListText host_reject_connection;
  HostListText hosts_proxy;
  HostListText hosts_require_helo;
  HostListText hosts_xclient;
  HostListText limits_advertise_hosts;
  HostListText pipelining_advertise_hosts;
  HostListText pipelining_connect_advertise_hosts;
  bool prdr_enable = false;
  Seconds proxy_protocol_timeout;
  HostListText recipient_unqualified_hosts;
  int64_t recipients_max = 0;
  bool recipients_max_reject = false;
  HostListText rfc1413_hosts;
  Seconds rfc1413_query_timeout;
  HostListText sender_unqualified_hosts;
  bool smtp_accept_keepalive = false;
  int64_t smtp_accept_max = 0;
  int64_t smtp_accept_max_nonmail = 0;
  HostListText smtp_accept_max_nonmail_hosts;
  ExpandText smtp_accept_max_per_connection;
  ExpandText smtp_accept_max_per_host;
  int64_t smtp_accept_queue = 0;
  int64_t smtp_accept_queue_per_connection = 0;
  int64_t smtp_accept_reserve = 0;
  ExpandText smtp_active_hostname;
  int64_t smtp_backlog_monitor = 0;
  ExpandText smtp_banner;
  Choice smtp_bare_newline;
  bool smtp_check_spool_space = false;
  int64_t smtp_connect_backlog = 0;
  bool smtp_enforce_sync = false;
  ExpandText smtp_etrn_command;
  bool smtp_etrn_serialize = false;
  Fixed smtp_load_reserve;
  int64_t smtp_max_synprot_errors = 0;
  int64_t smtp_max_unknown_commands = 0;
  HostListText smtp_ratelimit_hosts;
  std::string smtp_ratelimit_mail;
  std::string smtp_ratelimit_rcpt;
  ExpandText smtp_receive_timeout;
  HostListText smtp_reserve_hosts;
  bool smtp_return_error_details = false;
  HostListText smtputf8_advertise_hosts;
  bool strip_excess_angle_brackets = false;
  bool strip_trailing_dot = false;
  bool tcp_nodelay = false;
  HostListText wellknown_advertise_hosts;
};

// TLS with clients.
struct TlsOptions {
  bool gnutls_allow_auto_pkcs11 = false;
  bool gnutls_compat_mode = false;
  HostListText hosts_require_alpn;
  std::string openssl_options;
  HostListText tls_advertise_hosts;
  ExpandText tls_alpn;
  ExpandText tls_certificate;
  ExpandText tls_crl;
  int64_t tls_dh_max_bits = 0;
  ExpandText tls_dhparam;
  HostListText tls_early_banner_hosts;
  ExpandText tls_eccurve;
  ExpandText tls_ocsp_file;
  ExpandText tls_on_connect_ports;
  ExpandText tls_privatekey;
  bool tls_remember_esmtp = false;
  ExpandText tls_require_ciphers;
  HostListText tls_resumption_hosts;
  HostListText tls_try_verify_hosts;
  ExpandText tls_verify_certificates;
  HostListText tls_verify_hosts;
};

// Listening, names of hosts, DNS.
struct NetworkOptions {
  std::string daemon_smtp_ports;
  int64_t daemon_startup_retries = 0;
  Seconds daemon_startup_sleep;
  bool disable_ipv6 = false;
  DomainListText dns_again_means_nonexist;
  std::string dns_check_names_pattern;
  int64_t dns_cname_loops = 0;
  int64_t dns_csa_search_limit = 0;
  bool dns_csa_use_reverse = false;
  int64_t dns_dnssec_ok = 0;
  DomainListText dns_ipv4_lookup;
  Seconds dns_retrans;
  std::string dns_servers;
  std::string dns_trust_ad_from;
  int64_t dns_retry = 0;
  DomainListText dns_trust_aa;
  int64_t dns_use_edns0 = 0;
  std::string extra_local_interfaces;
  DomainListText hosts_treat_as_local;
  std::string local_interfaces;
  DomainListText percent_hack_domains;
  int64_t slow_lookup_log = 0;
};

// Queue, retry, routing and reports.
struct DeliveryOptions {
  bool allow_mx_to_ip = false;
  Seconds auto_thaw;
  ExpandText bounce_message_file;
  std::string bounce_message_text;
  bool bounce_return_body = false;
  int64_t bounce_return_linesize_limit = 0;
  bool bounce_return_message = false;
  int64_t bounce_return_size_limit = 0;
  std::string bounce_sender_authentication;
  Seconds callout_domain_negative_expire;
  Seconds callout_domain_positive_expire;
  Seconds callout_negative_expire;
  Seconds callout_positive_expire;
  ExpandText callout_random_local_part;
  TimeList delay_warning;
  ExpandText delay_warning_condition;
  bool deliver_drop_privilege = false;
  Fixed deliver_queue_load_max;
  bool disable_fsync = false;
  ExpandText dsn_from;
  ExpandText errors_copy;
  ExpandText errors_reply_to;
  ExpandText event_action;
  ExpandText freeze_tell;
  DomainListText hold_domains;
  Seconds ignore_bounce_errors_after;
  Seconds keep_malformed;
  bool move_frozen_messages = false;
  bool mua_wrapper = false;
  DomainListText queue_domains;
  bool queue_fast_ramp = false;
  bool queue_only = false;
  std::string queue_only_file;
  Fixed queue_only_load;
  bool queue_only_load_latch = false;
  bool queue_only_override = false;
  bool queue_run_in_order = false;
  ExpandText queue_run_max;
  DomainListText queue_smtp_domains;
  int64_t remote_max_parallel = 0;
  DomainListText remote_sort_domains;
  Seconds retry_data_expire;
  Seconds retry_interval_max;
  Seconds timeout_frozen_after;
  ExpandText warn_message_file;
};

// What a message may be, and what is done to it.
struct MessageOptions {
  bool check_rfc2047_length = false;
  bool delivery_date_remove = false;
  bool drop_cr = false;
  bool envelope_to_remove = false;
  bool extract_addresses_remove_arguments = false;
  int64_t header_line_maxsize = 0;
  int64_t header_maxsize = 0;
  std::string headers_charset;
  HostListText ignore_fromline_hosts;
  bool ignore_fromline_local = false;
  bool local_from_check = false;
  std::string local_from_prefix;
  std::string local_from_suffix;
  bool local_sender_retain = false;
  bool message_body_newlines = false;
  int64_t message_body_visible = 0;
  Choice message_id_form;
  ExpandText message_id_header_domain;
  ExpandText message_id_header_text;
  ExpandText message_size_limit;
  std::string qualify_domain;
  std::string qualify_recipient;
  ExpandText received_header_text;
  int64_t received_headers_max = 0;
  Seconds receive_timeout;
  bool return_path_remove = false;
  ExpandText unknown_login;
  std::string unknown_username;
  AddressListText untrusted_set_sender;
  std::string uucp_from_pattern;
  ExpandText uucp_from_sender;
};

// This host: files, users, processes, logs.
struct ProcessOptions {
  ExpandText add_environment;
  PlainList admin_groups;
  std::string bi_command;
  int64_t check_log_inodes = 0;
  int64_t check_log_space = 0;
  int64_t check_spool_inodes = 0;
  int64_t check_spool_space = 0;
  bool commandline_checks_require_admin = false;
  bool debug_store = false;
  std::string exim_group;
  std::string exim_path;
  std::string exim_user;
  std::string exim_version;
  std::string explain_sample;
  int64_t finduser_retries = 0;
  ExpandText gecos_name;
  std::string gecos_pattern;
  HostListText hosts_connection_nolog;
  std::string keep_environment;
  std::string local_scan_path;
  Seconds local_scan_timeout;
  ExpandText localhost_number;
  ExpandText log_file_path;
  std::string log_json_path;
  LogSelectors log_selector;
  bool log_timezone = false;
  int64_t lookup_open_max = 0;
  int64_t max_username_length = 0;
  bool message_logs = false;
  PlainList never_users;
  ExpandText notifier_socket;
  bool panic_coredump = false;
  bool perl_at_start = false;
  std::string perl_startup;
  bool perl_taintmode = false;
  ExpandText pid_file_path;
  bool preserve_message_logs = false;
  std::string primary_hostname;
  bool print_topbitchars = false;
  std::string process_log_path;
  bool prod_requires_admin = false;
  bool queue_list_requires_admin = false;
  ExpandText spool_directory;
  bool spool_wireformat = false;
  bool split_spool_directory = false;
  bool syslog_duplication = false;
  std::string syslog_facility;
  bool syslog_pid = false;
  std::string syslog_processname;
  std::string syslog_socket;
  bool syslog_timestamp = false;
  ExpandText system_filter;
  ExpandText system_filter_directory_transport;
  ExpandText system_filter_file_transport;
  std::string system_filter_group;
  ExpandText system_filter_pipe_transport;
  ExpandText system_filter_reply_transport;
  std::string system_filter_user;
  std::string timezone;
  PlainList trusted_groups;
  PlainList trusted_users;
  Seconds worker_patience;
  int64_t workers = 0;
  bool write_rejectlog = false;
};

// Databases that lookups ask.
struct LookupOptions {
  std::string ldap_ca_cert_dir;
  std::string ldap_ca_cert_file;
  std::string ldap_cert_file;
  std::string ldap_cert_key;
  std::string ldap_cipher_suite;
  std::string ldap_default_servers;
  std::string ldap_require_cert;
  bool ldap_start_tls = false;
  int64_t ldap_version = 0;
  std::string mysql_servers;
  std::string oracle_servers;
  std::string pgsql_servers;
  Choice ratelimit_store;
  std::string redis_servers;
  ExpandText sqlite_dbfile;
  Seconds sqlite_lock_timeout;
};

enum class BareNewline : uint8_t { reject, replace, keep };
// Values of ratelimit_store, in the order of its row.
enum class RatelimitStore : uint8_t { local, redis };

enum class MessageIdForm : uint8_t { long_form, short_form };

struct MainOptions : AclOptions,
                     SmtpInputOptions,
                     TlsOptions,
                     NetworkOptions,
                     DeliveryOptions,
                     MessageOptions,
                     ProcessOptions,
                     LookupOptions {
  BareNewline bare_newline() const noexcept {
    return static_cast<BareNewline>(smtp_bare_newline.index);
  }
  RatelimitStore rate_store() const noexcept {
    return static_cast<RatelimitStore>(ratelimit_store.index);
  }
  MessageIdForm id_form() const noexcept {
    return static_cast<MessageIdForm>(message_id_form.index);
  }
};

// The rows of all groups, in one list.
std::vector<OptionRow<MainOptions>> main_option_rows();
// Old spellings of main options.
std::span<const OptionAlias> main_option_aliases() noexcept;

// Defaults, then the settings of the document's main section.
MainOptions apply_main_options(const ConfigDocument& document, Diagnostics& diagnostics);

}  // namespace godwit::config
