// What contexts are made of: the values of tls_* options after expansion. Value types. Lists are in
// Exim's form, colon-separated or with "<" and a separator.
#pragma once

#include <cstdint>
#include <string>

namespace godwit::tls {

struct ServerSettings {
  std::string certificates;         // tls_certificate: files; empty: a self-signed one in memory
  std::string private_keys;         // tls_privatekey; empty: in the certificate files
  std::string ocsp_files;           // tls_ocsp_file
  std::string verify_certificates;  // tls_verify_certificates: file, directory, "system", empty
  std::string crl;                  // tls_crl: file or directory
  std::string dh_parameters;        // tls_dhparam: file, "none", "historic", a group's name, empty
  std::string curves;               // tls_eccurve: "auto" or names
  std::string ciphers;              // tls_require_ciphers: OpenSSL's form
  std::string options;              // openssl_options
  std::string alpn;                 // tls_alpn: accepted names; empty: any
  std::string host_name;            // subject of a self-signed certificate
  int64_t dh_bits_max = 2236;       // tls_dh_max_bits
  bool operator==(const ServerSettings&) const = default;
  std::string cache_key() const;
};

struct ClientSettings {
  std::string certificate;  // tls_certificate: file of the client's certificate; empty: none
  std::string private_key;  // tls_privatekey
  std::string verify_certificates;  // tls_verify_certificates
  std::string crl;                  // tls_crl
  std::string ciphers;              // tls_require_ciphers, or dane_require_tls_ciphers
  std::string options;              // openssl_options
  std::string alpn;                 // tls_alpn: names to offer; empty: none
  bool operator==(const ClientSettings&) const = default;
  std::string cache_key() const;
};

}  // namespace godwit::tls
