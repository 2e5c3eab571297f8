#include "delivery/transport/smtp_tls.h"

#include "core/base/ascii.h"
#include "delivery/transport/smtp_transport.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr uint8_t kTrustAnchor = 1u << 2;  // in TlsPlan::tlsa_usages

// RFC 7672 3.2.2: the names that a server may have whose trust anchor the DNS vouches for.
void name_server(TlsPlan& plan, const TlsTarget& target) {
  std::vector<std::string>& names = plan.session.names;
  const auto add = [&names](const std::string& name) {
    const bool is_there = std::ranges::any_of(
        names, [&name](const std::string& other) { return equals_ignore_case(name, other); });
    if (!name.empty() && !is_there) names.push_back(name);
  };
  add(target.dane.base_name);
  if (target.is_secure) add(target.host_name);
  add(target.initial_name);
  plan.host_names = names.size();
  if ((plan.tlsa_usages & kTrustAnchor) == 0) return;
  for (const std::string& domain : target.domains) add(domain);
  if (names.size() > plan.host_names) plan.domain = target.domains.front();
}

}  // namespace

void SmtpTlsRules::compile(const SmtpOptions& options, const TransportCompileContext& context) {
  const auto list = [&](const config::HostListText& text) {
    return context.list(config::ListKind::host, text);
  };
  alpn_ = context.expansion(options.tls_alpn);
  certificate_ = context.expansion(options.tls_certificate);
  crl_ = context.expansion(options.tls_crl);
  dane_ciphers_ = context.expansion(options.dane_require_tls_ciphers);
  private_key_ = context.expansion(options.tls_privatekey);
  ciphers_ = context.expansion(options.tls_require_ciphers);
  sni_ = context.expansion(options.tls_sni);
  authorities_ = context.expansion(options.tls_verify_certificates);
  avoid_tls_ = list(options.hosts_avoid_tls);
  verify_avoid_tls_ = list(options.hosts_verify_avoid_tls);
  require_alpn_ = list(options.hosts_require_alpn);
  require_tls_ = list(options.hosts_require_tls);
  request_ocsp_ = list(options.hosts_request_ocsp);
  require_ocsp_ = list(options.hosts_require_ocsp);
  resumption_ = list(options.tls_resumption_hosts);
  try_verify_ = list(options.tls_try_verify_hosts);
  verify_names_ = list(options.tls_verify_cert_hostnames);
  verify_ = list(options.tls_verify_hosts);
  try_dane = list(options.hosts_try_dane);
  require_dane = list(options.hosts_require_dane);
  has_usual_ocsp_list_ = options.hosts_request_ocsp.text.view() == "*";
  has_dane_ciphers_ = !options.dane_require_tls_ciphers.text.empty();
  tries_clear_ = options.tls_tempfail_tryclear;
  on_connect_ = options.protocol == "smtps";
}

void SmtpTlsRules::expand(TlsPlan& plan, const DanePlan& dane, acl::EvalContext& evaluation) const {
  struct Row {
    const acl::Expansion& expansion;
    std::string& out;
    std::string_view name;
  };
  const bool is_dane = dane.use == DanePlan::Use::verify || dane.use == DanePlan::Use::encrypt_only;
  const bool is_dane_list = is_dane && has_dane_ciphers_;
  const std::array rows{
      Row{alpn_, plan.settings.alpn, "tls_alpn"},
      Row{certificate_, plan.settings.certificate, "tls_certificate"},
      Row{crl_, plan.settings.crl, "tls_crl"},
      Row{private_key_, plan.settings.private_key, "tls_privatekey"},
      Row{is_dane_list ? dane_ciphers_ : ciphers_, plan.settings.ciphers,
          is_dane_list ? "dane_require_tls_ciphers" : "tls_require_ciphers"},
      Row{sni_, plan.session.sni, "tls_sni"},
      Row{authorities_, plan.settings.verify_certificates, "tls_verify_certificates"},
  };
  for (const Row& row : rows) {
    const acl::EvalResult value = row.expansion.evaluate(evaluation);
    if (value.ok()) {
      row.out = trim(value.text);
    } else if (value.status != acl::EvalStatus::forced_fail) {
      plan.problem = "failed to expand " + std::string(row.name) + ": " + value.text;
    }
  }
}

TlsPlan SmtpTlsRules::plan(const TlsTarget& target, acl::EvalContext& evaluation) const {
  const auto matches = [&](const List& list) {
    return SmtpTransport::matches(list, target.host_name, target.address, evaluation);
  };
  TlsPlan plan;
  plan.on_connect = on_connect_;
  plan.uses_dane = target.dane.use == DanePlan::Use::verify;
  plan.tlsa_usages = target.dane.judged.usages;
  const bool is_dane = plan.uses_dane || target.dane.use == DanePlan::Use::encrypt_only;
  const auto demands = [&](const List& list, std::string_view option) {
    return SmtpTransport::demands(list, option, {target.host_name, target.address}, evaluation,
                                  plan.problem);
  };
  plan.requires_tls = is_dane || demands(require_tls_, "hosts_require_tls");
  // What is required cannot be avoided.
  const auto avoids = [&] {
    return matches(avoid_tls_) || (target.use == SmtpUse::verify && matches(verify_avoid_tls_));
  };
  plan.attempts = plan.requires_tls || on_connect_ || !avoids();
  if (!plan.attempts) return plan;
  plan.tries_clear = tries_clear_ && !plan.requires_tls && !on_connect_;
  plan.requires_alpn = demands(require_alpn_, "hosts_require_alpn");
  plan.session.now = target.now;
  expand(plan, target.dane, evaluation);
  plan.settings.options = target.openssl_options;
  acl::TlsFacts known;
  known.tlsa_usage = plan.tlsa_usages;
  evaluation.tls_out = &known;
  decide_verification(plan, target, evaluation);
  decide_ocsp(plan, target, evaluation);
  evaluation.tls_out = nullptr;
  if (matches(resumption_))
    // A session has one identity, and was trusted by the authorities that these settings name.
    plan.session.session_key =
        target.host_name + " " + target.address.to_string() + " " + plan.settings.cache_key();
  return plan;
}

void SmtpTlsRules::decide_verification(TlsPlan& plan, const TlsTarget& target,
                                       acl::EvalContext& evaluation) const {
  const auto matches = [&](const List& list) {
    return SmtpTransport::matches(list, target.host_name, target.address, evaluation);
  };
  if (plan.uses_dane || target.dane.use == DanePlan::Use::encrypt_only) {
    plan.session.sni = target.dane.base_name;
    plan.settings.verify_certificates.clear();
    plan.settings.crl.clear();
    plan.session.verify = tls::Verify::no;
    if (!plan.uses_dane) return;
    plan.session.tlsa = target.dane.judged.usable;
    name_server(plan, target);
    return;
  }
  const auto demands = [&](const List& list, std::string_view option) {
    return SmtpTransport::demands(list, option, {target.host_name, target.address}, evaluation,
                                  plan.problem);
  };
  const bool is_required = demands(verify_, "tls_verify_hosts");
  plan.session.verify = is_required            ? tls::Verify::require
                        : matches(try_verify_) ? tls::Verify::attempt
                                               : tls::Verify::no;
  if (plan.session.verify == tls::Verify::no) {
    plan.settings.verify_certificates.clear();
    plan.settings.crl.clear();
  } else if (demands(verify_names_, "tls_verify_cert_hostnames")) {
    plan.session.names = {target.host_name};
  }
}

// Where DANE vouches for a key, its issuer's word about it is not asked for: EXIM.md 1.2.
void SmtpTlsRules::decide_ocsp(TlsPlan& plan, const TlsTarget& target,
                               acl::EvalContext& evaluation) const {
  const auto matches = [&](const List& list) {
    return SmtpTransport::matches(list, target.host_name, target.address, evaluation);
  };
  plan.session.require_ocsp =
      SmtpTransport::demands(require_ocsp_, "hosts_require_ocsp",
                             {target.host_name, target.address}, evaluation, plan.problem);
  const bool is_pointless =
      has_usual_ocsp_list_ && plan.tlsa_usages != 0 && plan.tlsa_usages != kTrustAnchor;
  plan.session.request_ocsp =
      plan.session.require_ocsp || (!is_pointless && matches(request_ocsp_));
}

}  // namespace godwit::delivery
