// What the autoreply transport makes of the values of its options: who gets the answer, and what is
// header section and what is body. Functions without state. EXIM.md, appendix.
#pragma once

#include "acl/expand/list_pattern.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

// The value of `to`, `cc` or `bcc`.
struct AnswerList {
  std::string text;                    // what the field says
  std::vector<std::string> addresses;  // who gets the answer
  bool is_malformed = false;           // an item is no address: the others count all the same
};
// Addresses without a domain get `domain`. Whom `never` (null: nobody) matches is left out. On a
// fiber: a list may ask.
AnswerList answer_list(std::string_view text, std::string_view domain,
                       const acl::ListPattern* never, acl::EvalContext& context);

// The number of a character that a header field must not have: a control character that is no tab
// and does not fold the line, or what is not ASCII.
std::optional<int> unprintable_in(std::string_view text);

// The value of `headers`: header lines, and from the first line that is none on, text for the body.
struct MoreFields {
  std::string lines;
  std::string body;
  bool has_from = false;
  bool has_date = false;
};
MoreFields more_fields(std::string_view headers);

// With CRLF at the end of every line, the last one too.
void add_with_crlf(std::string_view text, std::string& out);

}  // namespace godwit::delivery
