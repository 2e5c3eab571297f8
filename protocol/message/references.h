// What an answer or a report says in References: the ids that its message refers to, and its own.
// RFC 5322 3.6.4.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace godwit::message {

inline constexpr size_t kReferencesMax = 12;        // before the message's own
inline constexpr size_t kReferencesBytesMax = 900;  // of the value: one line
// The value, on one line: the ids of References, or else of In-Reply-To, as far as they can be
// read, without the older ones of many, but with the first; then `own`, the Message-ID as it
// stands.
std::string references_to(std::string_view headers, std::string_view own);

}  // namespace godwit::message
