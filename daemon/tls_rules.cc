#include "daemon/tls_rules.h"

#include "core/base/ascii.h"

#include <array>

namespace godwit::daemon {
namespace {

struct SettingRow {
  std::string_view option;
  std::string tls::ServerSettings::*field;
};
constexpr std::array kSettings{
    SettingRow{"tls_alpn", &tls::ServerSettings::alpn},
    SettingRow{"tls_certificate", &tls::ServerSettings::certificates},
    SettingRow{"tls_crl", &tls::ServerSettings::crl},
    SettingRow{"tls_dhparam", &tls::ServerSettings::dh_parameters},
    SettingRow{"tls_eccurve", &tls::ServerSettings::curves},
    SettingRow{"tls_ocsp_file", &tls::ServerSettings::ocsp_files},
    SettingRow{"tls_privatekey", &tls::ServerSettings::private_keys},
    SettingRow{"tls_require_ciphers", &tls::ServerSettings::ciphers},
    SettingRow{"tls_verify_certificates", &tls::ServerSettings::verify_certificates},
};

bool matches(const acl::ListPattern& list, const acl::ListSubject& client,
             acl::EvalContext& context) {
  return list.match(client, context).match == acl::Match::yes;
}

}  // namespace

TlsRules::TlsRules(const acl::CompiledPolicy& policy) : policy_(policy) {
  const std::string_view text = policy.expansion("tls_certificate").source();
  depends_on_name_ = text.find("tls_sni") != std::string_view::npos ||
                     text.find("tls_in_sni") != std::string_view::npos;
}

bool TlsRules::advertises(const acl::ListSubject& client, acl::EvalContext& context) const {
  // Who is not kept from TLS may have it.
  return policy_.list("tls_advertise_hosts").match(client, context).match != acl::Match::no;
}

bool TlsRules::greets_early(const acl::ListSubject& client, acl::EvalContext& context) const {
  return matches(policy_.list("tls_early_banner_hosts"), client, context);
}

TlsAnswer TlsRules::ask(const acl::ListSubject& client, acl::EvalContext& context) const {
  TlsAnswer out;
  for (const SettingRow& row : kSettings) {
    const acl::EvalResult value = policy_.expansion(row.option).evaluate(context);
    if (value.ok()) {
      out.settings.*row.field = trim(value.text);
    } else if (value.status != acl::EvalStatus::forced_fail) {
      out.problem = "failed to expand " + std::string(row.option) + ": " + value.text;
    }
  }
  const config::MainOptions& options = policy_.options();
  out.settings.options = options.openssl_options;
  out.settings.dh_bits_max = options.tls_dh_max_bits;
  out.settings.host_name = context.server->primary_hostname;
  // What keeps others out never counts as no where nobody can tell.
  const auto demands = [&](std::string_view option) {
    const acl::ListMatch found = policy_.list(option).match(client, context);
    if (found.match == acl::Match::defer)
      out.problem = std::string(option) + " cannot be asked: " + found.message;
    return found.match != acl::Match::no;
  };
  if (demands("tls_verify_hosts")) {
    out.session.verify = tls::Verify::require;
  } else if (matches(policy_.list("tls_try_verify_hosts"), client, context)) {
    out.session.verify = tls::Verify::attempt;
  } else {
    // Hundreds of authorities need not be read where nobody is asked for a certificate.
    out.settings.verify_certificates.clear();
    out.settings.crl.clear();
  }
  out.session.resumption = matches(policy_.list("tls_resumption_hosts"), client, context);
  out.session.asks_for_context = depends_on_name_;
  out.session.now = context.now;
  out.requires_alpn = demands("hosts_require_alpn");
  return out;
}

}  // namespace godwit::daemon
