#include "tls/self_signed.h"

#include "tls/openssl.h"

#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

namespace godwit::tls {
namespace {

constexpr long kBackdatedSeconds = 24 * 3600;
constexpr long kValidSeconds = 10L * 365 * 24 * 3600;

bool fill(X509* certificate, EVP_PKEY* key, const std::string& host_name, WallTime now) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  ASN1_TIME_set(X509_getm_notBefore(certificate), now.seconds() - kBackdatedSeconds);
  ASN1_TIME_set(X509_getm_notAfter(certificate), now.seconds() + kValidSeconds);
  X509_set_pubkey(certificate, key);
  // A common name has at most 64 characters (RFC 5280, ub-common-name); the other name has all.
  const std::string common = host_name.substr(0, 64);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common.data()),
                             static_cast<int>(common.size()), -1, 0);
  X509_set_issuer_name(certificate, name);
  const std::string alternative = "DNS:" + host_name;
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative.c_str());
  if (extension != nullptr) X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return X509_sign(certificate, key, EVP_sha256()) > 0;
}

}  // namespace

Result<void> add_self_signed(ssl_ctx_st* context, const std::string& host_name, WallTime now) {
  PkeyPtr keys[] = {PkeyPtr(EVP_EC_gen("P-256")), PkeyPtr(EVP_RSA_gen(2048))};
  for (const PkeyPtr& key : keys) {
    const X509Ptr certificate(X509_new());
    const bool made = key != nullptr && fill(certificate.get(), key.get(), host_name, now) &&
                      SSL_CTX_use_certificate(context, certificate.get()) == 1 &&
                      SSL_CTX_use_PrivateKey(context, key.get()) == 1;
    if (!made)
      return Error(Errc::internal, take_library_error("a self-signed certificate cannot be made"));
  }
  return {};
}

}  // namespace godwit::tls
