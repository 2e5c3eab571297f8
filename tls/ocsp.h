// OCSP: files of responses to staple, and the judgement of a response by whoever would staple it or
// was given it. RFC 6960, 6066 8. Bytes in, verdicts out; the time is passed in.
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

// Whether `der` proves that `certificate` is good at `now`, for a server that would staple it.
// `chain` has the issuers that the server knows. The error says why not.
struct StapleQuestion {
  x509_st* certificate = nullptr;
  stack_st_X509* chain = nullptr;  // may be null
  WallTime now;
};
Result<void> judge_staple(std::string_view der, const StapleQuestion& question);

// The same for a client: signed by whom `store` trusts, by way of `chain`, at `now`.
struct ProofQuestion {
  x509_st* certificate = nullptr;
  stack_st_X509* chain = nullptr;  // the verified chain of the peer, leaf first
  x509_store_st* store = nullptr;
  WallTime now;
};
Result<void> judge_proof(std::string_view der, const ProofQuestion& question);

// The signature of a response alone: who signed, and with what right (RFC 6960 4.2.2.2).
Result<void> verify_ocsp_signature(std::string_view der, stack_st_X509* untrusted,
                                   x509_store_st* store);

}  // namespace godwit::tls
