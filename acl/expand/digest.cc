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

constexpr auto kHexValues = [] {
  std::array<int8_t, 256> values{};
  for (int c = 0; c < 256; ++c) {
    const char digit = static_cast<char>(c);
    values[static_cast<size_t>(c)] = static_cast<int8_t>(is_hex(digit) ? hex_value(digit) : -1);
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

DigestBytes digest(const char* algorithm, std::string_view input) {
  static_assert(EVP_MAX_MD_SIZE <= DigestBytes::kMax);
  const Algorithm& known = fetched(algorithm);
  EVP_MD_CTX* context = known.context.get();
  DigestBytes made;
  if (known.md == nullptr || EVP_DigestInit_ex2(context, known.md.get(), nullptr) != 1 ||
      EVP_DigestUpdate(context, input.data(), input.size()) != 1 ||
      EVP_DigestFinal_ex(context, made.bytes_.data(), &made.size_) != 1) {
    made.size_ = 0;
  }
  return made;
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
  const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  const size_t begin = out.size();
  out.resize(begin + 2 * bytes.size());
  char* at = out.data() + begin;
  for (char c : bytes) {
    *at++ = digits[static_cast<unsigned char>(c) >> 4];
    *at++ = digits[static_cast<unsigned char>(c) & 15];
  }
}

std::optional<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out(hex.size() / 2, '\0');
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = kHexValues[static_cast<unsigned char>(hex[2 * i])];
    const int low = kHexValues[static_cast<unsigned char>(hex[2 * i + 1])];
    if ((high | low) < 0) return std::nullopt;
    out[i] = static_cast<char>(high << 4 | low);
  }
  return out;
}

void append_base64(std::string_view bytes, std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + (bytes.size() + 2) / 3 * 4, '=');
  char* at = out.data() + begin;
  const auto put = [&at](uint32_t group, int digits) {
    for (int shift = 18; digits > 0; --digits, shift -= 6) *at++ = kBase64[(group >> shift) & 63];
  };
  const auto byte = [bytes](size_t i) -> uint32_t { return static_cast<unsigned char>(bytes[i]); };
  size_t i = 0;
  for (; bytes.size() - i >= 3; i += 3) put(byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2), 4);
  if (bytes.size() - i == 2) put(byte(i) << 16 | byte(i + 1) << 8, 3);
  if (bytes.size() - i == 1) put(byte(i) << 16, 2);
}

namespace {

// As many whole groups of four digits as come first; `text` goes on behind them.
std::string take_groups(std::string_view& text) {
  std::string out(text.size() / 4 * 3, '\0');
  char* at = out.data();
  size_t taken = 0;
  for (; text.size() - taken >= 4; taken += 4) {
    int group = 0;
    int wrong = 0;
    for (size_t i = 0; i < 4; ++i) {
      const int value = kBase64Values[static_cast<unsigned char>(text[taken + i])];
      wrong |= value;
      group = group * 64 + value;
    }
    if (wrong < 0) break;
    for (int shift = 16; shift >= 0; shift -= 8) *at++ = static_cast<char>(group >> shift & 0xff);
  }
  out.resize(taken / 4 * 3);
  text.remove_prefix(taken);
  return out;
}

}  // namespace

std::optional<std::string> from_base64(std::string_view text) {
  std::string out = take_groups(text);
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
