#include "tls/ocsp.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "tls/limits.h"
#include "tls/openssl.h"

#include <openssl/pem.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace godwit::tls {
namespace {

constexpr std::string_view kPemName = "OCSP RESPONSE";

OcspResponsePtr parse_response(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* const end = at + der.size();
  OcspResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (at != end) response.reset();
  return response;
}

Result<OcspBasicPtr> parse_basic(std::string_view der) {
  const OcspResponsePtr response = parse_response(der);
  if (response == nullptr)
    return Error(Errc::malformed, take_library_error("the response cannot be read"));
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return Error(Errc::invalid_argument, std::string("the response is not successful: ") +
                                             OCSP_response_status_str(static_cast<long>(status)));
  }
  OcspBasicPtr basic(OCSP_response_get1_basic(response.get()));
  if (basic == nullptr)
    return Error(Errc::malformed, take_library_error("the response has no basic part"));
  return basic;
}

WallTime wall_time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime::from_seconds(timegm(&parts));
}

X509* issuer_of(X509* certificate, STACK_OF(X509) * chain) {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* candidate = sk_X509_value(chain, i);
    if (X509_check_issued(candidate, certificate) == X509_V_OK) return candidate;
  }
  return nullptr;
}

// The single response about `certificate`, by whatever digest the responder named it.
OCSP_SINGLERESP* find_single(OCSP_BASICRESP* basic, X509* certificate, X509* issuer) {
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic, i);
    const OCSP_CERTID* id = OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT* digest = nullptr;
    OCSP_id_get0_info(nullptr, &digest, nullptr, nullptr, const_cast<OCSP_CERTID*>(id));
    const EVP_MD* md = EVP_get_digestbyobj(digest);
    if (md == nullptr) continue;
    const OcspIdPtr wanted(OCSP_cert_to_id(md, certificate, issuer));
    if (wanted != nullptr && OCSP_id_cmp(wanted.get(), id) == 0) return single;
  }
  return nullptr;
}

Result<void> verify_basic(OCSP_BASICRESP* basic, STACK_OF(X509) * untrusted, X509_STORE* trusted) {
  if (OCSP_basic_verify(basic, untrusted, trusted, 0) == 1) return {};
  return Error(Errc::invalid_argument, take_library_error("the signature is not good"));
}

}  // namespace

Result<std::vector<std::string>> parse_ocsp_file(std::string_view bytes, OcspForm form) {
  std::vector<std::string> out;
  if (bytes.size() > kOcspFileBytesMax) return Error(Errc::too_long, "OCSP response file");
  if (form == OcspForm::der) {
    if (parse_response(bytes) == nullptr)
      return Error(Errc::malformed, take_library_error("no OCSP response"));
    out.emplace_back(bytes);
    return out;
  }
  const BioPtr bio = bio_over(bytes);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    std::string der(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    const bool is_response = name == kPemName;
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    if (!is_response) continue;
    if (parse_response(der) == nullptr)
      return Error(Errc::malformed, take_library_error("no OCSP response"));
    if (out.size() == kOcspResponsesMax) return Error(Errc::too_many, "OCSP responses in a file");
    out.push_back(std::move(der));
  }
  take_library_error({});  // the end of the file is an error to the library
  if (out.empty()) return Error(Errc::malformed, "no OCSP RESPONSE in it");
  return out;
}

std::vector<OcspFile> parse_ocsp_list(std::string_view list) {
  std::vector<OcspFile> out;
  OcspForm form = OcspForm::der;
  for (const std::string& item : config::split_list(list)) {
    std::string_view path = item;
    if (path.starts_with("DER ") || path.starts_with("PEM ")) {
      form = path.starts_with("PEM ") ? OcspForm::pem : OcspForm::der;
      path = trim(path.substr(4));
    }
    if (!path.empty()) out.push_back({std::string(path), form});
  }
  return out;
}

bool OcspProof::is_current(WallTime now) const noexcept {
  return has_until && from <= now + Millis(kOcspClockSkew) && now <= until + Millis(kOcspClockSkew);
}

Result<OcspProof> examine_ocsp(std::string_view der, x509_st* certificate, stack_st_X509* chain) {
  Result<OcspBasicPtr> basic = parse_basic(der);
  if (!basic) return basic.error();
  X509* issuer = issuer_of(certificate, chain);
  if (issuer == nullptr) return Error(Errc::not_found, "the certificate's issuer is not known");
  OCSP_SINGLERESP* single = find_single(basic->get(), certificate, issuer);
  if (single == nullptr) return Error(Errc::not_found, "the response is about other certificates");

  const StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), issuer);
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
  const Result<void> verified = verify_basic(basic->get(), chain, store.get());
  if (!verified) return verified.error();

  OcspProof out;
  int reason = -1;
  ASN1_GENERALIZEDTIME* this_update = nullptr;
  ASN1_GENERALIZEDTIME* next_update = nullptr;
  const int status = OCSP_single_get0_status(single, &reason, nullptr, &this_update, &next_update);
  if (status == V_OCSP_CERTSTATUS_GOOD) out.status = OcspProof::Status::good;
  if (status == V_OCSP_CERTSTATUS_REVOKED) out.status = OcspProof::Status::revoked;
  if (reason >= 0) out.reason = OCSP_crl_reason_str(reason);
  out.from = wall_time_of(this_update);
  out.has_until = next_update != nullptr;
  out.until = wall_time_of(next_update);
  X509* signer = nullptr;
  if (OCSP_resp_get0_signer(basic->get(), &signer, chain) == 1 && signer != issuer)
    out.until = std::min(out.until, wall_time_of(X509_get0_notAfter(signer)));
  return out;
}

Result<void> verify_ocsp_signature(std::string_view der, stack_st_X509* untrusted,
                                   x509_store_st* trusted) {
  const Result<OcspBasicPtr> basic = parse_basic(der);
  if (!basic) return basic.error();
  return verify_basic(basic->get(), untrusted, trusted);
}

}  // namespace godwit::tls
