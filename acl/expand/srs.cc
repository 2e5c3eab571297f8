#include "acl/expand/srs.h"

#include "acl/expand/digest.h"
#include "core/base/ascii.h"
#include "protocol/message/address_syntax.h"

namespace godwit::acl {
namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr size_t kHashBytes = 4;
constexpr int64_t kDaySeconds = 86400;
constexpr int64_t kDayMask = 0x3ff;

std::string hash_of(std::string_view secret, std::string_view address) {
  std::string hex;
  append_hex(hmac("MD5", secret, to_lower(address)), false, hex);
  return hex.substr(0, kHashBytes);
}

std::string day_text(int64_t day) {
  std::string text;
  for (int64_t rest = day; rest != 0; rest >>= 5) {
    text.insert(text.begin(), kBase32[static_cast<size_t>(rest & 31)]);
  }
  return text;
}

}  // namespace

std::string srs_encode(std::string_view secret, std::string_view sender, std::string_view domain,
                       int64_t now_seconds) {
  const message::AddressParts parts = message::split_address(sender);
  std::string local_part(message::unquote_local_part(parts.local_part));
  std::string out = "SRS0=" + hash_of(secret, sender) + "=" +
                    day_text(now_seconds / kDaySeconds & kDayMask) + "=" +
                    std::string(parts.domain) + "=" + local_part;
  return message::quote_local_part(out) + "@" + std::string(domain);
}

std::optional<std::string> srs_decode(std::string_view local_part, std::string_view secret,
                                      int64_t now_seconds) {
  if (!starts_with_ignore_case(local_part, "SRS0=")) return std::nullopt;
  std::string_view rest = local_part.substr(5);
  std::string_view fields[3];
  for (std::string_view& field : fields) {
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    field = rest.substr(0, equals);
    rest.remove_prefix(equals + 1);
  }
  const auto [hash, day, domain] = fields;
  if (hash.empty() || day.empty()) return std::nullopt;
  int64_t day_number = 0;
  for (char c : day) {
    const size_t digit = kBase32.find(to_lower(c));
    if (digit == std::string_view::npos || day.size() > 4) return std::nullopt;
    day_number = day_number * 32 + static_cast<int64_t>(digit);
  }
  std::string address = message::quote_local_part(std::string(rest)) + "@" + std::string(domain);
  if (secret.empty()) return address;
  if (((now_seconds / kDaySeconds - day_number) & kDayMask) > kSrsDaysMax) return std::nullopt;
  if (hash.size() != kHashBytes || hash_of(secret, address) != to_lower(hash)) return std::nullopt;
  return address;
}

}  // namespace godwit::acl
