// Bounds of protocol/message, with their units.
#pragma once

#include <cstddef>
#include <cstdint>

namespace godwit::message {

inline constexpr size_t kLocalPartBytesMax = 255;   // accepted: SRS and VERP exceed 64 in practice
inline constexpr size_t kDomainBytesMax = 255;      // RFC 5321 4.5.3.1.2
inline constexpr size_t kDomainLabelBytesMax = 63;  // RFC 1035 2.3.4
inline constexpr size_t kMailboxBytesMax = 510;     // local part, "@", domain

inline constexpr size_t kDisplayBytesMax = 250;            // of a display name that we write
inline constexpr size_t kSubmittedRecipientsMax = 50'000;  // of one run of `sendmail`

inline constexpr size_t kBodyVisibleMax = 1024 * 1024;  // characters of message_body_visible

inline constexpr int kCommentDepthMax = 20;  // nested comments in a header field
inline constexpr size_t kAddressesPerFieldMax = 20000;

inline constexpr size_t kHeaderFieldNameBytesMax = 255;  // longer names are not a header line
inline constexpr size_t kIndexedFieldsMax = 1000;        // fields whose place the scanner keeps

static_assert(kLocalPartBytesMax + 1 < kMailboxBytesMax);

}  // namespace godwit::message
