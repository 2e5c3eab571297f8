#include "tls/settings.h"

#include <initializer_list>

namespace godwit::tls {
namespace {

std::string joined(std::initializer_list<const std::string*> parts) {
  std::string out;
  for (const std::string* part : parts) {
    out += *part;
    out += '\0';
  }
  return out;
}

}  // namespace

std::string ServerSettings::cache_key() const {
  return "s" +
         joined({&certificates, &private_keys, &ocsp_files, &verify_certificates, &crl,
                 &dh_parameters, &curves, &ciphers, &options, &alpn, &host_name}) +
         std::to_string(dh_bits_max);
}

std::string ClientSettings::cache_key() const {
  return "c" + joined({&certificate, &private_key, &verify_certificates, &crl, &ciphers, &options,
                       &alpn});
}

}  // namespace godwit::tls
