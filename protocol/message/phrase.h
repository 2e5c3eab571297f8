// Display names of addresses, as a header field may hold them: RFC 5322 3.2.5, RFC 2047.
#pragma once

#include <string>
#include <string_view>

namespace godwit::message {

// `name` as a phrase: as it is, quoted, or in encoded words where it is not ASCII (its charset is
// UTF-8 where its bytes are, else ISO 8859-1). Control characters are left out. Empty for a name
// without text. Longer names than kDisplayBytesMax are cut.
std::string encode_phrase(std::string_view name);

}  // namespace godwit::message
