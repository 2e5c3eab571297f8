// Address lists of header fields: RFC 5322 3.4 with the obsolete forms of 4.4.
// What it is: a parser that keeps the place of each address, so that it can be rewritten in place.
// Used by: `sendmail -t`, header rewriting, `verify = header_syntax`, DMARC's From.
// Errors: malformed with Exim's kind of text ("missing or malformed local part"), never an
// assertion.
#pragma once

#include "core/base/result.h"
#include "protocol/message/address_syntax.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::message {

struct ListedAddress {
  std::string address;     // canonical: no comments, no folding, no route; empty for "<>"
  std::string display;     // display name, unquoted; encoded words are left as they are
  size_t item_offset = 0;  // the whole item "Joe (x) <joe@example.org>" in the parsed text
  size_t item_bytes = 0;
  size_t spec_offset = 0;  // the addr-spec alone: "joe@example.org"
  size_t spec_bytes = 0;
  int group = -1;  // index into AddressList::groups, or none
  bool has_domain = false;
};

struct AddressList {
  std::vector<ListedAddress> addresses;
  std::vector<std::string> groups;  // display names, in order; a group may be empty
};

// All of `text` (a field body: after the colon, folded or not).
Result<AddressList> parse_address_list(std::string_view text, Utf8 utf8);

// One address, as a command line or a list item gives it: "a@b", "Joe <a@b>", "<>" where
// `allow_empty`. More than one is an error.
Result<ListedAddress> parse_address(std::string_view text, Utf8 utf8, bool allow_empty);

}  // namespace godwit::message
