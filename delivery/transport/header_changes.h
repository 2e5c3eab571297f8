// What routers and transports change in the header section of a message as it is delivered:
// headers_remove, then headers_add. EXIM.md 2.7, 2.8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

struct HeaderChanges {
  std::vector<std::string> add;     // texts of one or more fields, with LF or CRLF
  std::vector<std::string> remove;  // lists of names; "X-*" removes all that begin so

  bool empty() const noexcept { return add.empty() && remove.empty(); }
  bool operator==(const HeaderChanges&) const = default;
};

// `section` is a header section in wire format, without the empty line after it; so is the result.
std::string change_headers(std::string_view section, const HeaderChanges& changes);

}  // namespace godwit::delivery
