// TLS with clients.
#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

using enum Effect;
using M = MainOptions;

// name, field, default, effect, documentation, choices
constexpr auto kRows = std::to_array<OptionRow<M>>({
    {"gnutls_allow_auto_pkcs11", &M::gnutls_allow_auto_pkcs11, "false", never,
     "option of another TLS library"},
    {"gnutls_compat_mode", &M::gnutls_compat_mode, "false", never, "option of another TLS library"},
    {"hosts_require_alpn", &M::hosts_require_alpn, "", now, "hosts that must offer an ALPN name"},
    {"openssl_options", &M::openssl_options,
     "+no_sslv2 +no_sslv3 +single_dh_use +no_ticket +no_renegotiation", now,
     "options of the TLS library"},
    {"tls_advertise_hosts", &M::tls_advertise_hosts, "*", now, "hosts that see STARTTLS"},
    {"tls_alpn", &M::tls_alpn, "smtp", now, "accepted ALPN names"},
    {"tls_certificate", &M::tls_certificate, "", now, "certificate chain files"},
    {"tls_crl", &M::tls_crl, "", now, "certificate revocation lists"},
    {"tls_dh_max_bits", &M::tls_dh_max_bits, "2236", now, "largest Diffie-Hellman prime"},
    {"tls_dhparam", &M::tls_dhparam, "", now, "Diffie-Hellman parameters"},
    {"tls_early_banner_hosts", &M::tls_early_banner_hosts, "", now,
     "hosts that get the greeting early in TLS on connect"},
    {"tls_eccurve", &M::tls_eccurve, "auto", now, "elliptic curves"},
    {"tls_ocsp_file", &M::tls_ocsp_file, "", now, "OCSP responses to staple"},
    {"tls_on_connect_ports", &M::tls_on_connect_ports, "", now,
     "ports on which TLS begins at once"},
    {"tls_privatekey", &M::tls_privatekey, "", now, "private key files"},
    {"tls_remember_esmtp", &M::tls_remember_esmtp, "false", now, "remember EHLO over STARTTLS"},
    {"tls_require_ciphers", &M::tls_require_ciphers, "", now, "accepted ciphers"},
    {"tls_resumption_hosts", &M::tls_resumption_hosts, "", now,
     "hosts that may resume TLS sessions"},
    {"tls_try_verify_hosts", &M::tls_try_verify_hosts, "", now,
     "hosts that are asked for a certificate"},
    {"tls_verify_certificates", &M::tls_verify_certificates, "system", now,
     "certificates that are trusted"},
    {"tls_verify_hosts", &M::tls_verify_hosts, "", now, "hosts that must show a good certificate"},
});

}  // namespace

std::span<const OptionRow<MainOptions>> tls_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::config
