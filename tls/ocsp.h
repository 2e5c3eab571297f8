// OCSP: files of responses to staple, and the judgement of a response by whoever would staple it or
// was given it. Bytes in, verdicts out; times are given or passed in. RFC 6960, 6066 8.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <string>
#include <string_view>
#include <vector>

struct stack_st_X509;
struct x509_st;
struct x509_store_st;

namespace godwit::tls {

enum class OcspForm : uint8_t { der, pem };

// The responses of a file, each as DER: one for DER, any number of "OCSP RESPONSE" blocks for PEM.
Result<std::vector<std::string>> parse_ocsp_file(std::string_view bytes, OcspForm form);

// An item of tls_ocsp_file: "DER path", "PEM path", or a path in the form of the item before it.
struct OcspFile {
  std::string path;
  OcspForm form = OcspForm::der;
};
std::vector<OcspFile> parse_ocsp_list(std::string_view list);

// What a response that is signed by the right hand says of a certificate.
struct OcspProof {
  enum class Status : uint8_t { good, revoked, unknown };
  Status status = Status::unknown;
  std::string reason;  // of a revocation; empty for none given
  WallTime from;       // thisUpdate
  WallTime until;      // nextUpdate, or the end of a delegated signer's certificate if sooner
  bool has_until = false;

  // In date, with clocks that differ a little. A proof without nextUpdate never is.
  bool is_current(WallTime now) const noexcept;
};

// Reads what `der` says of `certificate`. `chain` has its issuers, and who it is signed by must be
// one of them, or be authorised by its issuer; they are taken as trusted. Times are not judged.
// The error says what is wrong: no response, a bad signature, another certificate.
Result<OcspProof> examine_ocsp(std::string_view der, x509_st* certificate, stack_st_X509* chain);

// The signature of a response: who signed, and with what right (RFC 6960 4.2.2.2).
Result<void> verify_ocsp_signature(std::string_view der, stack_st_X509* untrusted,
                                   x509_store_st* trusted);

}  // namespace godwit::tls
