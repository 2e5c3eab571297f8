// Certificates for tests: authorities, servers, responders; and the files that hold them.
#pragma once

#include "tls/openssl.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace godwit::test {

inline constexpr int64_t kTestTime = 1'800'000'000;  // 2027-01-15

struct Identity {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;

  std::string certificate_pem() const { return tls::to_pem(certificate.get()); }
  std::string key_pem() const {
    const tls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return std::string(bytes, static_cast<size_t>(size));
  }
};

struct IdentityOptions {
  std::string name = "host.test";
  std::vector<std::string> other_names;  // "DNS:mail.test"
  bool is_authority = false;
  bool signs_ocsp = false;
  bool rsa = false;
  int64_t from = kTestTime - 86400;
  int64_t until = kTestTime + 86400 * 365;
};

inline void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension != nullptr) X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself where that is null.
inline Identity make_identity(const IdentityOptions& options, const Identity* issuer = nullptr) {
  static long serial = 1000;
  Identity out;
  out.key.reset(options.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), EVP_PKEY_free);
  out.certificate.reset(X509_new(), X509_free);
  X509* certificate = out.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  ASN1_TIME_set(X509_getm_notBefore(certificate), options.from);
  ASN1_TIME_set(X509_getm_notAfter(certificate), options.until);
  X509_set_pubkey(certificate, out.key.get());
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.name.c_str()), -1, -1,
                             0);
  X509* by = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(by));
  if (options.is_authority) {
    add_extension(certificate, by, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, by, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
  }
  if (options.signs_ocsp) add_extension(certificate, by, NID_ext_key_usage, "OCSPSigning");
  std::string names = options.is_authority ? "" : "DNS:" + options.name;
  for (const std::string& name : options.other_names) names += "," + name;
  if (!names.empty()) add_extension(certificate, by, NID_subject_alt_name, names);
  X509_sign(certificate, issuer == nullptr ? out.key.get() : issuer->key.get(), EVP_sha256());
  return out;
}

struct ResponseOptions {
  int status = V_OCSP_CERTSTATUS_GOOD;
  int64_t from = kTestTime - 3600;
  int64_t until = kTestTime + 3600;  // 0: no nextUpdate
};

// A response about `subject`, as DER.
inline std::string make_ocsp_response(const Identity& subject, const Identity& issuer,
                                      const Identity& signer, const ResponseOptions& options = {}) {
  const tls::OcspBasicPtr basic(OCSP_BASICRESP_new());
  OCSP_CERTID* id =
      OCSP_cert_to_id(EVP_sha1(), subject.certificate.get(), issuer.certificate.get());
  ASN1_TIME* from = ASN1_TIME_set(nullptr, options.from);
  ASN1_TIME* until = options.until == 0 ? nullptr : ASN1_TIME_set(nullptr, options.until);
  ASN1_TIME* revoked =
      options.status == V_OCSP_CERTSTATUS_REVOKED ? ASN1_TIME_set(nullptr, options.from) : nullptr;
  OCSP_basic_add1_status(basic.get(), id, options.status,
                         revoked == nullptr ? -1 : OCSP_REVOKED_STATUS_KEYCOMPROMISE, revoked, from,
                         until);
  OCSP_basic_sign(basic.get(), signer.certificate.get(), signer.key.get(), EVP_sha256(), nullptr,
                  0);
  OCSP_CERTID_free(id);
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  ASN1_TIME_free(revoked);
  const tls::OcspResponsePtr response(
      OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
  unsigned char* bytes = nullptr;
  const int size = i2d_OCSP_RESPONSE(response.get(), &bytes);
  std::string out(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

// A directory that goes away with its files.
class TestFiles {
 public:
  TestFiles() {
    std::string path = (std::filesystem::temp_directory_path() / "godwit-tls-XXXXXX").string();
    directory_ = mkdtemp(path.data());
  }
  ~TestFiles() { std::filesystem::remove_all(directory_); }
  TestFiles(const TestFiles&) = delete;
  TestFiles& operator=(const TestFiles&) = delete;

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  // Replaces a file of that name at once.
  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name) + ".new", std::ios::binary) << bytes;
    std::filesystem::rename(path(name) + ".new", path(name));
    return path(name);
  }

 private:
  std::string directory_;
};

}  // namespace godwit::test
