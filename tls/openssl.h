// Owners of the library's objects, and its errors as text. Only for the sources of this folder.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

namespace godwit::tls {

template <auto free_function>
struct FreeWith {
  template <class T>
  void operator()(T* object) const noexcept {
    free_function(object);
  }
};
template <class T, auto free_function>
using Owned = std::unique_ptr<T, FreeWith<free_function>>;

using BioPtr = Owned<BIO, BIO_free_all>;
using PkeyPtr = Owned<EVP_PKEY, EVP_PKEY_free>;
using X509Ptr = Owned<X509, X509_free>;
using StorePtr = Owned<X509_STORE, X509_STORE_free>;
using SslPtr = Owned<SSL, SSL_free>;
using OcspResponsePtr = Owned<OCSP_RESPONSE, OCSP_RESPONSE_free>;
using OcspBasicPtr = Owned<OCSP_BASICRESP, OCSP_BASICRESP_free>;
using OcspIdPtr = Owned<OCSP_CERTID, OCSP_CERTID_free>;

// A memory BIO that reads `bytes`, which outlive it.
BioPtr bio_over(std::string_view bytes);
// The first error that the library remembers, in its words; forgets all of them. `otherwise` where
// it remembers none.
std::string take_library_error(std::string_view otherwise);
std::string to_pem(X509* certificate);

}  // namespace godwit::tls
