#include "acl/expand/digest.h"

#include "core/base/ascii.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace godwit::acl {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
// -1: no digit.
constexpr auto kBase64Values = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kBase64.size(); ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<int8_t>(i);
  }
  return values;
}();

struct FreeDigest {
  void operator()(EVP_MD* md) const noexcept { EVP_MD_free(md); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

struct Algorithm {
  std::string_view name;
  std::unique_ptr<EVP_MD, FreeDigest> md;            // null where OpenSSL does not offer it
  std::unique_ptr<EVP_MD_CTX, FreeContext> context;  // of one digest after the other
};

// Fetched once for each thread, with a context of its own: either costs more than the digest of a
// short text. The names are constants of the callers.
const Algorithm& fetched(const char* algorithm) {
  thread_local std::vector<Algorithm> all;
  const std::string_view name = algorithm;
  for (const Algorithm& known : all) {
    if (known.name == name) return known;
  }
  Algorithm& made = all.emplace_back();
  made.name = name;
  made.md.reset(EVP_MD_fetch(nullptr, algorithm, nullptr));
  made.context.reset(EVP_MD_CTX_new());
  return made;
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string digest(const char* algorithm, std::string_view input) {
  const Algorithm& known = fetched(algorithm);
  EVP_MD_CTX* context = known.context.get();
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned length = 0;
  if (known.md == nullptr || EVP_DigestInit_ex2(context, known.md.get(), nullptr) != 1 ||
      EVP_DigestUpdate(context, input.data(), input.size()) != 1 ||
      EVP_DigestFinal_ex(context, out.data(), &length) != 1) {
    return {};
  }
  return {reinterpret_cast<const char*>(out.data()), length};
}

std::string hmac(const char* algorithm, std::string_view secret, std::string_view input) {
  const EVP_MD* md = fetched(algorithm).md.get();
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned length = 0;
  // An empty secret must not be a null pointer.
  const void* key = secret.empty() ? "" : secret.data();
  if (md == nullptr || HMAC(md, key, static_cast<int>(secret.size()), bytes_of(input), input.size(),
                            out.data(), &length) == nullptr) {
    return {};
  }
  return {reinterpret_cast<const char*>(out.data()), length};
}

void append_hex(std::string_view bytes, bool upper, std::string& out) {
  const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  size_t at = out.size();
  out.resize(at + 2 * bytes.size());
  for (char c : bytes) {
    out[at++] = digits[static_cast<unsigned char>(c) >> 4];
    out[at++] = digits[static_cast<unsigned char>(c) & 15];
  }
}

std::optional<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    if (!is_hex(hex[i]) || !is_hex(hex[i + 1])) return std::nullopt;
    out += static_cast<char>(hex_value(hex[i]) * 16 + hex_value(hex[i + 1]));
  }
  return out;
}

void append_base64(std::string_view bytes, std::string& out) {
  size_t at = out.size();
  out.resize(at + (bytes.size() + 2) / 3 * 4, '=');
  const auto byte = [bytes](size_t i) -> uint32_t {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
  };
  for (size_t i = 0; i < bytes.size(); i += 3, at += 4) {
    const size_t digits = std::min<size_t>(3, bytes.size() - i) + 1;
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (size_t k = 0; k < digits; ++k) out[at + k] = kBase64[(group >> (18 - 6 * k)) & 63];
  }
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  uint32_t group = 0;
  size_t digits = 0;
  size_t padding = 0;
  for (char c : text) {
    if (is_space(c)) continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) return std::nullopt;
    group = group << 6 | static_cast<uint32_t>(value);
    if (++digits % 4 != 0) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(group >> shift & 0xff);
    group = 0;
  }
  const size_t rest = digits % 4;
  if (rest == 1 || (digits + padding) % 4 != 0 || padding > 2) return std::nullopt;
  if (rest == 2) out += static_cast<char>(group >> 4 & 0xff);
  if (rest == 3) {
    out += static_cast<char>(group >> 10 & 0xff);
    out += static_cast<char>(group >> 2 & 0xff);
  }
  return out;
}

}  // namespace godwit::acl
