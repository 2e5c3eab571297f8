// Digests and base 64 over OpenSSL, for operators, items and crypteq.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

// The bytes of a digest.
class DigestBytes {
 public:
  static constexpr size_t kMax = 64;

  std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), size_};
  }

 private:
  friend DigestBytes digest(const char* algorithm, std::string_view input);

  std::array<unsigned char, kMax> bytes_;
  unsigned size_ = 0;
};

// By OpenSSL's name ("MD5", "SHA3-256"). Empty where there is no such digest.
DigestBytes digest(const char* algorithm, std::string_view input);
std::string hmac(const char* algorithm, std::string_view secret, std::string_view input);

void append_hex(std::string_view bytes, bool upper, std::string& out);
// Nothing where `hex` is not pairs of digits.
std::optional<std::string> from_hex(std::string_view hex);
void append_base64(std::string_view bytes, std::string& out);
// Blanks are passed over. Nothing where it is not base 64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace godwit::acl
