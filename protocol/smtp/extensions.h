// ESMTP extensions: one row each, in the order of the EHLO reply. The server prints the rows that
// its Offer has; the client reads the same rows into Capabilities.
// RFC 1870 SIZE, 9422 LIMITS, 6152 8BITMIME, 3461 DSN, 2920 PIPELINING, 4954 AUTH, 3030 CHUNKING,
// 3207 STARTTLS, 6531 SMTPUTF8, 2034 ENHANCEDSTATUSCODES.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::smtp {

enum class Extension : uint8_t {
  size,
  limits,
  eight_bit_mime,
  dsn,
  etrn,
  vrfy,
  expn,
  pipelining,
  pipe_connect,
  auth,
  chunking,
  starttls,
  xclient,
  prdr,
  smtputf8,
  enhanced_status_codes,
  help,
  binary_mime,   // read by the client only
  ignore_quota,  // the same; LMTP
};
inline constexpr size_t kExtensionCount = static_cast<size_t>(Extension::ignore_quota) + 1;

struct ExtensionRow {
  Extension extension;
  std::string_view keyword;
  bool offered_by_server;  // may stand in our EHLO reply
  std::string_view doc;
};
// The rows in the order of the EHLO reply.
const std::array<ExtensionRow, kExtensionCount>& extension_rows() noexcept;

class ExtensionSet {
 public:
  constexpr ExtensionSet() = default;
  constexpr bool has(Extension e) const noexcept { return (bits_ >> static_cast<int>(e)) & 1u; }
  constexpr void set(Extension e, bool on = true) noexcept {
    const uint32_t bit = uint32_t{1} << static_cast<int>(e);
    bits_ = on ? bits_ | bit : bits_ & ~bit;
  }
  constexpr bool contains(const ExtensionSet& other) const noexcept {
    return (other.bits_ & ~bits_) == 0;
  }
  constexpr bool operator==(const ExtensionSet&) const = default;

 private:
  uint32_t bits_ = 0;
};

// What this server offers to this client; the driver fills it from the *_advertise_hosts options.
struct Offer {
  ExtensionSet extensions;
  uint64_t size_limit = 0;   // SIZE n; 0: bare SIZE
  uint32_t mail_max = 0;     // LIMITS MAILMAX; 0: not shown
  uint32_t rcpt_max = 0;     // LIMITS RCPTMAX; 0: not shown
  std::string_view auth;     // "PLAIN LOGIN"; the driver keeps it alive
  std::string_view xclient;  // attribute names; the driver keeps it alive
};

// Appends the whole EHLO reply: `greeting` ("host Hello client [ip]"; lines parted by '\n'), then
// the keywords, the last one with "250 ".
void append_ehlo_reply(std::string& out, std::string_view greeting, const Offer& offer);

// What a server offered, read from its EHLO reply.
struct Capabilities {
  ExtensionSet extensions;
  uint64_t size_limit = 0;  // 0: none, or not given
  uint32_t mail_max = 0;    // 0: not given
  uint32_t rcpt_max = 0;
  uint32_t rcpt_domain_max = 0;
  std::vector<std::string> auth_mechanisms;  // upper case

  bool has(Extension e) const noexcept { return extensions.has(e); }
  // Whether what was sent in the belief that the server offers `guess` is right for this one too.
  bool justifies(const Capabilities& guess) const noexcept;
  bool operator==(const Capabilities&) const = default;
};
// `text` is the reply's text, lines parted by '\n'; the first line is the greeting. Unknown
// keywords and malformed values are skipped.
Capabilities parse_capabilities(std::string_view text);

}  // namespace godwit::smtp
