// What --explain is asked, as a value: "MAIL FROM:<a@b> RCPT TO:<c@d> from 192.0.2.1 helo NAME data
// FILE", in any order of its parts.
#pragma once

#include "core/base/ip_address.h"
#include "core/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

struct ExplainQuery {
  IpAddress client;
  std::string helo;
  std::string mail;                // "MAIL FROM:<a@b> SIZE=1000"
  std::vector<std::string> rcpts;  // "RCPT TO:<c@d>"
  std::string data_file;           // empty: no message
};

// The error says which word is wrong.
Result<ExplainQuery> parse_explain_query(std::string_view text);

}  // namespace godwit::daemon
