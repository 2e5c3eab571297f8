#include "dns/idna.h"

#include <idn2.h>

#include <memory>

namespace godwit::dns {
namespace {

struct FreeIdn {
  void operator()(char* text) const noexcept { idn2_free(text); }
};
using IdnText = std::unique_ptr<char, FreeIdn>;

}  // namespace

Result<std::string> to_a_labels(std::string_view domain) {
  if (is_ascii(domain)) return std::string(domain);
  const std::string text(domain);
  char* out = nullptr;
  // TR46 non-transitional maps case and width first, as the manual of libidn2 advises for input.
  const int status = idn2_to_ascii_8z(text.c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const IdnText owned(out);
  if (status != IDN2_OK) return Error(Errc::malformed, idn2_strerror(status));
  return std::string(owned.get());
}

std::string to_u_labels(std::string_view domain) {
  const std::string text(domain);
  char* out = nullptr;
  const int status = idn2_to_unicode_8z8z(text.c_str(), &out, 0);
  const IdnText owned(out);
  return status == IDN2_OK ? std::string(owned.get()) : text;
}

}  // namespace godwit::dns
