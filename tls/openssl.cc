#include "tls/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

namespace godwit::tls {

BioPtr bio_over(std::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string take_library_error(std::string_view otherwise) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return std::string(otherwise);
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

std::string to_pem(X509* certificate) {
  if (certificate == nullptr) return {};
  const BioPtr bio(BIO_new(BIO_s_mem()));
  char* bytes = nullptr;
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  const long count = BIO_get_mem_data(bio.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(count));
}

}  // namespace godwit::tls
