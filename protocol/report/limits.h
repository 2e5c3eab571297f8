// Bounds of protocol/report, with their units. What a remote host said is data of a stranger.
#pragma once

#include <cstddef>

namespace godwit::report {

inline constexpr size_t kLineBytesMax = 998;            // RFC 5322 2.1.1, without the line end
inline constexpr size_t kFactBytesMax = 900;            // one address, name or identifier
inline constexpr size_t kExtraBytesMax = 1023;          // a field of EXIM.md 1.12
inline constexpr size_t kDiagnosticBytesMax = 950;      // Diagnostic-Code
inline constexpr size_t kExplanationBytesMax = 4000;    // why, in the readable part
inline constexpr size_t kCustomTextBytesMax = 65536;    // bounce_message_text
inline constexpr size_t kFieldWidth = 78;               // where long fields are folded
inline constexpr size_t kTextWidth = 76;                // of the readable part
inline constexpr size_t kFailedRecipientsMax = 50;      // in X-Failed-Recipients
inline constexpr size_t kExplainedRecipientsMax = 500;  // in the readable part; the status has all

static_assert(kFactBytesMax + kFieldWidth < kLineBytesMax);
static_assert(kDiagnosticBytesMax + 40 < kLineBytesMax);

}  // namespace godwit::report
