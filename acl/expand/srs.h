// Sender rewriting as ${srs_encode and inbound_srs do it: SRS0=hash=day=domain=local part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

inline constexpr int64_t kSrsDaysMax = 10;  // how old an address may be that comes back

// "SRS0=...@domain". `sender` is not empty.
std::string srs_encode(std::string_view secret, std::string_view sender, std::string_view domain,
                       int64_t now_seconds);
// The address in a local part; nothing where it is not one, is too old, or has another secret's
// hash. An empty secret: neither age nor hash are looked at.
std::optional<std::string> srs_decode(std::string_view local_part, std::string_view secret,
                                      int64_t now_seconds);

}  // namespace godwit::acl
