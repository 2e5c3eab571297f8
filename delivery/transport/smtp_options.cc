// Rows of the smtp transport's own options, and their compilation.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/transport/smtp_transport.h"
#include "protocol/smtp/ports.h"

#include <array>

namespace godwit::delivery {
namespace {

using config::Effect;
using Options = SmtpOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<SmtpOptions>>({
    // name                            field                                      default    effect         documentation
    {"address_retry_include_sender",   &Options::address_retry_include_sender,    "true",    Effect::now,   "retry keys of recipients hold the sender too"},
    {"allow_localhost",                &Options::allow_localhost,                 "false",   Effect::now,   "deliver to this host too"},
    {"authenticated_sender",           &Options::authenticated_sender,            "",        Effect::later, "AUTH= of MAIL"},
    {"authenticated_sender_force",     &Options::authenticated_sender_force,      "false",   Effect::later, "send AUTH= without having authenticated"},
    {"command_timeout",                &Options::command_timeout,                 "5m",      Effect::now,   "wait for the answer to a command"},
    {"connect_timeout",                &Options::connect_timeout,                 "5m",      Effect::now,   "wait for a connection"},
    {"connection_max_messages",        &Options::connection_max_messages,         "500",     Effect::now,   "messages over one connection; 0: no limit"},
    {"dane_require_tls_ciphers",       &Options::dane_require_tls_ciphers,        "",        Effect::now,   "ciphers where DANE is in use"},
    {"data_timeout",                   &Options::data_timeout,                    "5m",      Effect::now,   "wait for a block of data to be taken"},
    {"delay_after_cutoff",             &Options::delay_after_cutoff,              "true",    Effect::now,   "fail at once, without a try, where all hosts have been failing for long"},
    {"destination_concurrency_initial", &Options::destination_concurrency_initial, "5",      Effect::now,   "connections to one destination at the start"},
    {"destination_concurrency_limit",  &Options::destination_concurrency_limit,   "20",      Effect::now,   "connections to one destination at the most, of one worker"},
    {"destination_idle_timeout",       &Options::destination_idle_timeout,        "2s",      Effect::now,   "how long a connection waits for a further message"},
    {"dkim_canon",                     &Options::dkim_canon,                      "",        Effect::later, "canonicalisation of DKIM signatures"},
    {"dkim_domain",                    &Options::dkim_domain,                     "",        Effect::later, "signing domains"},
    {"dkim_hash",                      &Options::dkim_hash,                       "sha256",  Effect::later, "hash of DKIM signatures"},
    {"dkim_identity",                  &Options::dkim_identity,                   "",        Effect::later, "identity that a DKIM signature names"},
    {"dkim_private_key",               &Options::dkim_private_key,                "",        Effect::later, "signing key"},
    {"dkim_selector",                  &Options::dkim_selector,                   "",        Effect::later, "selectors"},
    {"dkim_sign_headers",              &Options::dkim_sign_headers,               "",        Effect::later, "header fields to sign"},
    {"dkim_strict",                    &Options::dkim_strict,                     "",        Effect::later, "defer where signing fails"},
    {"dkim_timestamps",                &Options::dkim_timestamps,                 "",        Effect::later, "life of DKIM signatures"},
    {"dns_qualify_single",             &Options::dns_qualify_single,              "true",    Effect::now,   "complete a name of one label in `hosts` by the system's domain"},
    {"dns_search_parents",             &Options::dns_search_parents,              "false",   Effect::now,   "complete a name with dots in `hosts` by the system's search list"},
    {"dnssec_request_domains",         &Options::dnssec_request_domains,          "*",       Effect::now,   "ask for DNSSEC"},
    {"dnssec_require_domains",         &Options::dnssec_require_domains,          "",        Effect::now,   "insist on DNSSEC"},
    {"dscp",                           &Options::dscp,                            "",        Effect::now,   "traffic class of the packets"},
    {"fallback_hosts",                 &Options::fallback_hosts,                  "",        Effect::now,   "hosts to try when all others failed"},
    {"final_timeout",                  &Options::final_timeout,                   "10m",     Effect::now,   "wait for the answer to the final dot"},
    {"gethostbyname",                  &Options::gethostbyname,                   "false",   Effect::now,   "names of `hosts` are looked up by the system"},
    {"helo_data",                      &Options::helo_data,                       "$primary_hostname", Effect::now, "name in EHLO and HELO"},
    {"host_name_extract",              &Options::host_name_extract,               R"(${if and {{match{$host}{.outlook.com\$}} {match{$item}{\N^250-([\w.]+)\s\N}}} {$1}})", Effect::now, "which of the servers behind a name has answered, from its EHLO ($item): sessions of TLS are kept for each"},
    {"hosts",                          &Options::hosts,                           "",        Effect::now,   "hosts where the router gives none"},
    {"hosts_avoid_esmtp",              &Options::hosts_avoid_esmtp,               "",        Effect::now,   "use HELO with these"},
    {"hosts_avoid_pipelining",         &Options::hosts_avoid_pipelining,          "",        Effect::now,   "wait for each answer with these"},
    {"hosts_avoid_tls",                &Options::hosts_avoid_tls,                 "",        Effect::now,   "no STARTTLS with these"},
    {"hosts_max_try",                  &Options::hosts_max_try,                   "5",       Effect::now,   "addresses to try in one attempt"},
    {"hosts_max_try_hardlimit",        &Options::hosts_max_try_hardlimit,         "50",      Effect::now,   "the same, with those whose retry time has not come"},
    {"hosts_nopass_tls",               &Options::hosts_nopass_tls,                "",        Effect::never, "connections are not passed between processes here"},
    {"hosts_noproxy_tls",              &Options::hosts_noproxy_tls,               "",        Effect::never, "connections are not passed between processes here"},
    {"hosts_override",                 &Options::hosts_override,                  "false",   Effect::now,   "use `hosts` even where the router gives some"},
    {"hosts_pipe_connect",             &Options::hosts_pipe_connect,              "",        Effect::now,   "early pipelining"},
    {"hosts_randomize",                &Options::hosts_randomize,                 "false",   Effect::now,   "try `hosts` in random order"},
    {"hosts_request_ocsp",             &Options::hosts_request_ocsp,              "*",       Effect::now,   "ask for a certificate status"},
    {"hosts_require_alpn",             &Options::hosts_require_alpn,              "",        Effect::now,   "insist on an ALPN name"},
    {"hosts_require_auth",             &Options::hosts_require_auth,              "",        Effect::later, "do not deliver without authentication"},
    {"hosts_require_dane",             &Options::hosts_require_dane,              "",        Effect::now,   "do not deliver without DANE"},
    {"hosts_require_ocsp",             &Options::hosts_require_ocsp,              "",        Effect::now,   "insist on a certificate status"},
    {"hosts_require_tls",              &Options::hosts_require_tls,               "",        Effect::now,   "do not deliver without TLS"},
    {"hosts_try_auth",                 &Options::hosts_try_auth,                  "",        Effect::later, "authenticate where possible"},
    {"hosts_try_chunking",             &Options::hosts_try_chunking,              "*",       Effect::now,   "use BDAT where it is offered"},
    {"hosts_try_dane",                 &Options::hosts_try_dane,                  "*",       Effect::now,   "use DANE where it is possible"},
    {"hosts_try_fastopen",             &Options::hosts_try_fastopen,              "*",       Effect::now,   "TCP Fast Open, where the system allows it"},
    {"hosts_try_prdr",                 &Options::hosts_try_prdr,                  "*",       Effect::now,   "use PRDR where it is offered"},
    {"hosts_verify_avoid_tls",         &Options::hosts_verify_avoid_tls,          "",        Effect::now,   "no STARTTLS in callouts"},
    {"interface",                      &Options::interface,                       "",        Effect::now,   "local addresses to connect from"},
    {"keepalive",                      &Options::keepalive,                       "true",    Effect::now,   "TCP keepalives"},
    {"lmtp_ignore_quota",              &Options::lmtp_ignore_quota,               "false",   Effect::now,   "IGNOREQUOTA of LMTP"},
    {"max_rcpt",                       &Options::max_rcpt,                        "100",     Effect::now,   "recipients of one transaction; 0: no limit"},
    {"message_linelength_limit",       &Options::message_linelength_limit,        "998",     Effect::now,   "fail messages with longer lines"},
    {"multi_domain",                   &Options::multi_domain,                    "true",    Effect::now,   "recipients of several domains in one transaction"},
    {"port",                           &Options::port,                            "",        Effect::now,   "port of the remote host"},
    {"protocol",                       &Options::protocol,                        "smtp",    Effect::now,   "smtp, smtps or lmtp"},
    {"retry_include_ip_address",       &Options::retry_include_ip_address,        "true",    Effect::now,   "retry keys of hosts hold the address too"},
    {"serialize_hosts",                &Options::serialize_hosts,                 "",        Effect::now,   "one connection at a time to these"},
    {"size_addition",                  &Options::size_addition,                   "1024",    Effect::now,   "added to the size in MAIL; negative: no SIZE"},
    {"smtp_pipeline_depth",            &Options::smtp_pipeline_depth,             "4",       Effect::now,   "transactions under way on one connection where the host offers CHUNKING; 1: one after the other"},
    {"socks_proxy",                    &Options::socks_proxy,                     "",        Effect::now,   "SOCKS5 proxies"},
    {"tls_alpn",                       &Options::tls_alpn,                        "",        Effect::now,   "ALPN names to offer"},
    {"tls_certificate",                &Options::tls_certificate,                 "",        Effect::now,   "client certificate"},
    {"tls_crl",                        &Options::tls_crl,                         "",        Effect::now,   "revocation list"},
    {"tls_dh_min_bits",                &Options::tls_dh_min_bits,                 "1024",    Effect::never, "the TLS library refuses groups below 2048 bits"},
    {"tls_privatekey",                 &Options::tls_privatekey,                  "",        Effect::now,   "client key"},
    {"tls_require_ciphers",            &Options::tls_require_ciphers,             "",        Effect::now,   "ciphers"},
    {"tls_resumption_hosts",           &Options::tls_resumption_hosts,            "",        Effect::now,   "resume TLS sessions with these"},
    {"tls_sni",                        &Options::tls_sni,                         "",        Effect::now,   "server name to ask for"},
    {"tls_tempfail_tryclear",          &Options::tls_tempfail_tryclear,           "true",    Effect::now,   "deliver in clear where TLS fails"},
    {"tls_try_verify_hosts",           &Options::tls_try_verify_hosts,            "*",       Effect::now,   "verify and log"},
    {"tls_verify_cert_hostnames",      &Options::tls_verify_cert_hostnames,       "*",       Effect::now,   "verify names"},
    {"tls_verify_certificates",        &Options::tls_verify_certificates,         "system",  Effect::now,   "certification authorities"},
    {"tls_verify_hosts",               &Options::tls_verify_hosts,                "",        Effect::now,   "insist on verification"},
    {"tpda_host_defer_action",         &Options::tpda_host_defer_action,          "",        Effect::now,   "old: expanded after each failure of a host"},
    {"utf8_downconvert",               &Options::utf8_downconvert,                "-1",      Effect::now,   "addresses of SMTPUTF8 messages in ASCII: 1 always, 0 never, -1 where the host wants it; empty: as the message says"},
});
// clang-format on

// Security that was asked for and would silently be missing.
constexpr std::array<std::string_view, 3> kRefusedUntilTheyAct{"authenticated_sender",
                                                               "dkim_domain", "hosts_require_auth"};

// The codepoints of RFC 2474, 2597 and 3246 by their names, and the values of RFC 1349.
std::optional<int> parse_traffic_class(std::string_view text) {
  struct ClassRow {
    std::string_view name;
    int value;
  };
  constexpr std::array kClasses{
      ClassRow{"ef", 0xb8},      ClassRow{"lowdelay", 0x10},    ClassRow{"throughput", 0x08},
      ClassRow{"mincost", 0x02}, ClassRow{"reliability", 0x04},
  };
  for (const ClassRow& row : kClasses) {
    if (equals_ignore_case(row.name, text)) return row.value;
  }
  const auto digit = [&](size_t at, int least, int most) {
    const int value = text[at] - '0';
    return value >= least && value <= most ? value : -1;
  };
  if (text.size() == 4 && starts_with_ignore_case(text, "af")) {
    const int group = digit(2, 1, 4);
    const int drop = digit(3, 1, 3);
    if (group > 0 && drop > 0) return group << 5 | drop << 3;
  }
  if (text.size() == 3 && starts_with_ignore_case(text, "cs") && digit(2, 0, 7) >= 0)
    return digit(2, 0, 7) << 5;
  const std::optional<uint64_t> number = parse_decimal(text);
  if (number && *number <= 0xff) return static_cast<int>(*number);
  return std::nullopt;
}

}  // namespace

std::unique_ptr<config::OptionBinding> smtp_options() {
  return std::make_unique<config::OwnOptions<SmtpOptions>>(kRows);
}

std::unique_ptr<Transport> make_smtp_transport(const config::Instance& instance,
                                               const TransportCompileContext& context) {
  auto transport = std::make_unique<SmtpTransport>();
  config::OptionTarget<TransportOptions> generic(transport_option_rows(), transport->options_);
  config::OptionTarget<SmtpOptions> own(kRows, transport->smtp_);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "smtp transport");
  for (std::string_view name : kRefusedUntilTheyAct) {
    const config::Setting* setting = instance.find(name);
    if (setting == nullptr || (setting->value && setting->value->trimmed().empty())) continue;
    context.diagnostics.error(
        setting->place, "smtp transport option \"" + std::string(name) + "\" is not available yet");
  }
  SmtpOptions& options = transport->smtp_;
  transport->events_.add("tpda_host_defer_action", "msg:host:defer",
                         context.expansion(options.tpda_host_defer_action));
  transport->helo_data_ = context.expansion(options.helo_data);
  transport->host_name_extract_ = context.expansion(options.host_name_extract);
  transport->utf8_downconvert_ = context.expansion(options.utf8_downconvert);
  transport->interface_ = context.expansion(options.interface);
  transport->hosts_ = context.expansion(options.hosts);
  transport->socks_proxy_ = context.expansion(options.socks_proxy);
  transport->avoid_esmtp = context.list(config::ListKind::host, options.hosts_avoid_esmtp);
  transport->avoid_pipelining =
      context.list(config::ListKind::host, options.hosts_avoid_pipelining);
  transport->tls_.compile(options, context);
  if (!trim(options.hosts_pipe_connect.text.view()).empty())
    transport->pipe_connect = context.list(config::ListKind::host, options.hosts_pipe_connect);
  transport->try_chunking = context.list(config::ListKind::host, options.hosts_try_chunking);
  transport->try_fast_open = context.list(config::ListKind::host, options.hosts_try_fastopen);
  transport->try_prdr = context.list(config::ListKind::host, options.hosts_try_prdr);
  if (!trim(options.serialize_hosts.text.view()).empty())
    transport->serialize = context.list(config::ListKind::host, options.serialize_hosts);
  transport->dnssec_request =
      context.list(config::ListKind::domain, options.dnssec_request_domains);
  transport->dnssec_require =
      context.list(config::ListKind::domain, options.dnssec_require_domains);
  for (const config::ConfigText* option :
       std::initializer_list<const config::ConfigText*>{&options.dane_require_tls_ciphers,
                                                        &options.helo_data,
                                                        &options.hosts_avoid_esmtp,
                                                        &options.hosts_avoid_pipelining,
                                                        &options.hosts_avoid_tls,
                                                        &options.hosts_pipe_connect,
                                                        &options.hosts_request_ocsp,
                                                        &options.hosts_require_alpn,
                                                        &options.hosts_require_dane,
                                                        &options.hosts_require_ocsp,
                                                        &options.hosts_require_tls,
                                                        &options.hosts_try_chunking,
                                                        &options.hosts_try_dane,
                                                        &options.hosts_try_fastopen,
                                                        &options.hosts_try_prdr,
                                                        &options.interface,
                                                        &options.serialize_hosts,
                                                        &options.socks_proxy,
                                                        &options.tls_alpn,
                                                        &options.tls_certificate,
                                                        &options.tls_crl,
                                                        &options.tls_privatekey,
                                                        &options.tls_require_ciphers,
                                                        &options.tls_resumption_hosts,
                                                        &options.tls_sni,
                                                        &options.tls_try_verify_hosts,
                                                        &options.tls_verify_cert_hostnames,
                                                        &options.tls_verify_certificates,
                                                        &options.tls_verify_hosts})
    transport->of_message_.add(*option, context);
  const std::string owner = instance.name + " transport";
  transport->retry_include_ip_ = FlagOption::compile(
      "retry_include_ip_address", options.retry_include_ip_address, true, owner, context);
  transport->multi_domain_ =
      FlagOption::compile("multi_domain", options.multi_domain, true, owner, context);

  const config::Setting* protocol = instance.find("protocol");
  transport->is_lmtp_ = options.protocol == "lmtp";
  const bool is_smtps = options.protocol == "smtps";
  if (options.protocol != "smtp" && options.protocol != "lmtp" && !is_smtps) {
    context.diagnostics.error(protocol == nullptr ? instance.place : protocol->place,
                              "protocol \"" + options.protocol + "\" is not available",
                              "smtp, smtps or lmtp");
  }
  transport->default_port_ = transport->is_lmtp_ ? 24 : is_smtps ? 465 : 25;
  if (options.port.is_set && !options.port.text.empty()) {
    transport->port_ = context.expansion(options.port);
    const std::string_view text = options.port.text.view();
    const std::optional<uint16_t> port = smtp::parse_port(text);
    if (port) {
      transport->default_port_ = *port;
    } else if (text.find('$') == std::string_view::npos) {
      context.diagnostics.error(options.port.text.begin_place(),
                                "\"" + std::string(text) + "\" is no port",
                                "a number from 1 to 65535, smtp, smtps or lmtp");
    } else {
      transport->has_expanded_port_ = true;
    }
  }
  if (!options.dscp.empty()) {
    transport->traffic_class_ = parse_traffic_class(options.dscp);
    const config::Setting* dscp = instance.find("dscp");
    if (!transport->traffic_class_)
      context.diagnostics.error(dscp == nullptr ? instance.place : dscp->place,
                                "\"" + options.dscp + "\" is no traffic class",
                                "such as ef, af21, cs3, lowdelay, or a number");
  }
  return transport;
}

Task<DeliveryOutcome> SmtpTransport::deliver(Loop&, LocalDelivery) const {
  GODWIT_UNREACHABLE("a remote transport is driven by destination queues");
}

bool SmtpTransport::matches(const std::shared_ptr<const acl::ListPattern>& list,
                            const std::string& host_name, const IpAddress& address,
                            acl::EvalContext& evaluation) {
  if (list == nullptr) return false;
  return list->match({{}, address, host_name}, evaluation).match == acl::Match::yes;
}

bool SmtpTransport::demands(const std::shared_ptr<const acl::ListPattern>& list,
                            std::string_view option, const ListedHost& host,
                            acl::EvalContext& evaluation, std::string& problem) {
  if (list == nullptr) return false;
  const acl::ListMatch found = list->match({{}, host.address, host.name}, evaluation);
  if (found.match == acl::Match::defer)
    problem = std::string(option) + " cannot be asked: " + found.message;
  return found.match != acl::Match::no;
}

Result<std::optional<IpAddress>> SmtpTransport::local_address(const IpAddress& to,
                                                              acl::EvalContext& evaluation) const {
  if (interface_.is_constant() && interface_.constant().empty()) return std::optional<IpAddress>();
  const std::string option = "\"interface\" option for " + name() + " transport";
  const acl::EvalResult list = interface_.evaluate(evaluation);
  if (list.status == acl::EvalStatus::forced_fail) return std::optional<IpAddress>();
  if (!list.ok()) return Error(Errc::config, "failed to expand " + option + ": " + list.text);
  for (const std::string& item : config::split_list(list.text)) {
    const Result<IpAddress> address = IpAddress::parse(item);
    if (!address)
      return Error(Errc::config, "\"" + item + "\" is not a valid IP address for the " + option);
    if (address->is_v6() == to.is_v6()) return std::optional(*address);
  }
  return std::optional<IpAddress>();
}

}  // namespace godwit::delivery
