// Files for tls_ocsp_file, and proofs that servers send: whatever they hold, they are read or
// refused.
#include "core/base/assert.h"
#include "tls/ocsp.h"
#include "tls/openssl.h"
#include "tls/self_signed.h"

#include <string_view>

namespace {

// A certificate to ask about, made once.
X509* certificate() {
  static X509* const made = [] {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    const bool added = godwit::tls::add_self_signed(context, "fuzz.test",
                                                    godwit::WallTime::from_seconds(1'800'000'000))
                           .has_value();
    GODWIT_ASSERT(added);
    X509* out = SSL_CTX_get0_certificate(context);
    X509_up_ref(out);
    SSL_CTX_free(context);
    return out;
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  using godwit::tls::OcspForm;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const OcspForm form = (data[0] & 1) != 0 ? OcspForm::pem : OcspForm::der;
  const auto responses = godwit::tls::parse_ocsp_file(bytes, form);
  STACK_OF(X509)* chain = sk_X509_new_null();
  sk_X509_push(chain, certificate());
  if (responses) {
    for (const std::string& der : *responses) {
      const auto proof = godwit::tls::examine_ocsp(der, certificate(), chain);
      if (proof) (void)proof->is_current(godwit::WallTime::from_seconds(1'800'000'000));
    }
  }
  (void)godwit::tls::examine_ocsp(bytes, certificate(), chain);
  sk_X509_free(chain);
  (void)godwit::tls::parse_ocsp_list(bytes);
  return 0;
}
