// What `verify` says of the header section of a message. Pure. Each gives nothing where all is
// well, or what is wrong, for the log.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

struct HeaderLine {
  std::string_view name;
  std::string_view body;  // after the colon, folded
};
// The fields of `headers`, in order. Views into it.
std::vector<HeaderLine> header_lines(std::string_view headers);

struct UnqualifiedAllowed {
  bool sender = false;
  bool recipient = false;
};
std::optional<std::string> bad_header_syntax(std::string_view headers, UnqualifiedAllowed allowed);
std::optional<std::string> bad_header_name(std::string_view headers);
// A recipient that is in no To: or Cc: line.
std::optional<std::string> blind_recipient(std::string_view headers,
                                           const std::vector<std::string>& recipients,
                                           bool ignore_case);
// Addresses of Sender:, Reply-To: and From:, in that order.
std::vector<std::string> header_senders(std::string_view headers);

}  // namespace godwit::acl
