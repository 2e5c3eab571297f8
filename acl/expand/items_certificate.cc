// ${certextract{field}{$tls_in_peercert}{yes}{no}}: a field of a certificate in PEM.
#include "acl/expand/arguments.h"
#include "acl/expand/digest.h"
#include "acl/expand/items.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

namespace godwit::acl {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};
using BioPointer = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using CertificatePointer = std::unique_ptr<X509, Freed<X509_free>>;

BioPointer memory() {
  return BioPointer(BIO_new(BIO_s_mem()));
}

std::string text_of(const BioPointer& bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

std::string name_text(const X509_NAME* name) {
  const BioPointer bio = memory();
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  return text_of(bio);
}

std::string time_text(const ASN1_TIME* time) {
  const BioPointer bio = memory();
  ASN1_TIME_print(bio.get(), time);
  return text_of(bio);
}

std::string version(const X509* certificate) {
  return std::to_string(X509_get_version(certificate) + 1);
}
std::string serial_number(const X509* certificate) {
  std::string out;
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number);
  if (hex != nullptr) out = hex;
  OPENSSL_free(hex);
  BN_free(number);
  return out;
}
std::string subject(const X509* certificate) {
  return name_text(X509_get_subject_name(certificate));
}
std::string issuer(const X509* certificate) {
  return name_text(X509_get_issuer_name(certificate));
}
std::string not_before(const X509* certificate) {
  return time_text(X509_get0_notBefore(certificate));
}
std::string not_after(const X509* certificate) {
  return time_text(X509_get0_notAfter(certificate));
}
std::string signature_algorithm(const X509* certificate) {
  const BioPointer bio = memory();
  const X509_ALGOR* algorithm = X509_get0_tbs_sigalg(certificate);
  i2a_ASN1_OBJECT(bio.get(), algorithm->algorithm);
  return text_of(bio);
}
template <const EVP_MD* (*Digest)()>
std::string fingerprint(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  X509_digest(certificate, Digest(), bytes.data(), &length);
  std::string out;
  append_hex({reinterpret_cast<const char*>(bytes.data()), length}, true, out);
  return out;
}

struct FieldRow {
  std::string_view name;
  std::string (*read)(const X509* certificate);
};
constexpr std::array<FieldRow, 10> kFields{{
    {"version", version},
    {"serial_number", serial_number},
    {"subject", subject},
    {"issuer", issuer},
    {"notbefore", not_before},
    {"notafter", not_after},
    {"sig_algorithm", signature_algorithm},
    {"md5", fingerprint<EVP_md5>},
    {"sha1", fingerprint<EVP_sha1>},
    {"sha256", fingerprint<EVP_sha256>},
}};

}  // namespace

EvalStatus run_certextract(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string& pem = args[1].text;
  if (pem.empty()) return finish_tail(node, context, false, {}, out);
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const CertificatePointer certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return fail(context, "certextract needs a certificate");
  for (const FieldRow& row : kFields) {
    if (row.name != args[0].text) continue;
    Value value{row.read(certificate.get()), args[1].tainted};
    const bool found = !value.text.empty();
    return finish_tail(node, context, found, std::move(value), out);
  }
  return fail(context, "bad field selector \"" + args[0].text + "\" for certextract");
}

}  // namespace godwit::acl
