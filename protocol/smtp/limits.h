// Bounds of protocol/smtp, with their units. What an operator may set is in ServerLimits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace godwit::smtp {

// Server, input. A MAIL line with every parameter at its RFC maximum takes about 1200 bytes.
inline constexpr size_t kCommandLineBytesMax = 2048;  // with CRLF
inline constexpr size_t kParameterCountMax = 20;      // of one MAIL or RCPT
inline constexpr size_t kHeloNameBytesMax = 512;
inline constexpr size_t kEnvidWireBytesMax = 300;     // RFC 3461 5.4: 100 bytes, "+XX" for each
inline constexpr size_t kOrcptWireBytesMax = 500;     // RFC 3461 5.4
inline constexpr size_t kMailAuthWireBytesMax = 500;  // RFC 4954 5
inline constexpr uint64_t kChunkBytesMax = uint64_t{1} << 40;  // one BDAT; the octets must be read
inline constexpr size_t kSameRejectionBytesMax = 512;  // of "All RCPT commands were rejected with"

// Server, output.
inline constexpr size_t kReplyLinesMax = 100;

// Client, input: RFC 5321 4.5.3.1.5 has 512; many servers send more.
inline constexpr size_t kReplyLineBytesMax = 2048;
inline constexpr size_t kReplyBytesMax = 16 * 1024;
inline constexpr size_t kMalformedShownBytesMax = 100;  // of offending text, before escaping
inline constexpr size_t kAuthMechanismsMax = 32;

// Client, output. Up to this body size a BDAT body is sent before the answers to MAIL and RCPT
// came.
inline constexpr uint64_t kEagerBodyBytesMax = 64 * 1024;
// Commands in flight: Exim's own bound is its buffer; a server may stop reading while it cannot
// write its answers (RFC 2920 3.1), so the group is cut before both windows are full.
inline constexpr size_t kPipelinedRecipientsMax = 100;

static_assert(kReplyLineBytesMax <= kReplyBytesMax);
static_assert(kOrcptWireBytesMax + kMailAuthWireBytesMax < kCommandLineBytesMax);

}  // namespace godwit::smtp
