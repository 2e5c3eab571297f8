// Bounds of DNS messages (RFC 1035 2.3.4, 4.1.4) and of what one message may make us do.
#pragma once

#include <cstddef>

namespace godwit::dns {

inline constexpr size_t kLabelBytesMax = 63;
inline constexpr size_t kNameBytesMax = 255;       // on the wire, with the root label
inline constexpr size_t kMessageBytesMax = 65535;  // over TCP
inline constexpr size_t kHeaderBytes = 12;
inline constexpr size_t kRecordsKeptMax = 1000;   // of one answer; more are dropped
inline constexpr int kAliasesPerMessageMax = 16;  // CNAMEs followed inside one message
static_assert(kLabelBytesMax < kNameBytesMax);

}  // namespace godwit::dns
