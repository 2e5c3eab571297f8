// Named bounds of the TLS part.
#pragma once

#include "core/base/time.h"

#include <cstddef>

namespace godwit::tls {

// Ciphertext that an engine holds before it wants its plaintext taken: a few records.
inline constexpr size_t kPendingCiphertextMax = 64 * 1024;
// What one read of a TLS stream gives at most: one record (RFC 8446 5.1).
inline constexpr size_t kReadBytesMax = 16 * 1024;
inline constexpr size_t kCertificateFileBytesMax = 1024 * 1024;
inline constexpr size_t kOcspFileBytesMax = 256 * 1024;
inline constexpr size_t kOcspResponsesMax = 32;      // in one file
inline constexpr size_t kTlsaRecordsMax = 64;        // of one host
inline constexpr size_t kTlsaDataBytesMax = 16384;   // a whole certificate
inline constexpr size_t kServerNameBytesMax = 255;   // RFC 6066 3, a DNS name
inline constexpr size_t kContextsKept = 256;         // of a cache, by recent use
inline constexpr size_t kClientSessionsKept = 4096;  // for resumption, by recent use
// How long a context is used before its files are looked at again.
inline constexpr Millis kFileCheckInterval{1000};
// A ticket is good for between one and two of these.
inline constexpr Seconds kTicketKeyLifetime{3600};
// Clocks of responders may differ from ours by so much.
inline constexpr Seconds kOcspClockSkew{300};

}  // namespace godwit::tls
