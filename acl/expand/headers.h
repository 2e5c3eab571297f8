// Header fields of the message as variables: $h_subject: decoded, $bh_ without conversion to
// headers_charset, $rh_ as they came, $lh_ as a list. EXIM.md 3.1. They read MessageFacts::headers,
// with LF at line ends.
#pragma once

#include "acl/expand/context.h"

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

enum class HeaderForm : uint8_t { decoded, unconverted, raw, list };

struct HeaderVariable {
  HeaderForm form = HeaderForm::decoded;
  std::string_view name;  // "subject"
};
// "h_subject", "rheader_to". Nothing where the prefix or the name is missing.
std::optional<HeaderVariable> header_variable(std::string_view variable) noexcept;

bool has_header(std::string_view headers, std::string_view name);
// All fields of that name. Fields with addresses are joined by a comma.
void append_header(const EvalContext& context, const HeaderVariable& variable, std::string& out);

// $message_headers: all of them, words decoded.
void append_decoded_headers(const EvalContext& context, std::string& out);
// $reply_address: Reply-To, or From where there is none.
void append_reply_address(const EvalContext& context, std::string& out);
// $received_count
size_t count_headers(std::string_view headers, std::string_view name);

}  // namespace godwit::acl
