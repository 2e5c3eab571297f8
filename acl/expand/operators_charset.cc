// Operators on character sets and internationalised names.
#include "acl/expand/operators.h"
#include "acl/expand/text_encoding.h"

#include <idn2.h>

#include <cstdlib>
#include <memory>

namespace godwit::acl {
namespace {

struct FreeText {
  void operator()(char* text) const noexcept { std::free(text); }
};

EvalStatus finish_idn(int code, char* made, EvalContext& context, std::string& out) {
  const std::unique_ptr<char, FreeText> text(made);
  if (code != IDN2_OK) return fail(context, std::string("IDN error: ") + idn2_strerror(code));
  out += text.get();
  return EvalStatus::ok;
}

std::string charset_of(const EvalContext& context) {
  return context.server != nullptr ? context.server->headers_charset : std::string("UTF-8");
}

}  // namespace

EvalStatus op_from_utf8(const Node&, std::string_view input, EvalContext&, std::string& out) {
  out += latin1_of(input);
  return EvalStatus::ok;
}

EvalStatus op_utf8clean(const Node&, std::string_view input, EvalContext&, std::string& out) {
  out += repair_utf8(input);
  return EvalStatus::ok;
}

EvalStatus op_rfc2047(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  append_encoded_words(input, charset_of(context), out);
  return EvalStatus::ok;
}

EvalStatus op_rfc2047d(const Node&, std::string_view input, EvalContext& context,
                       std::string& out) {
  const bool check = context.server == nullptr || context.server->check_rfc2047_length;
  out += decode_words(input, charset_of(context), check);
  return EvalStatus::ok;
}

EvalStatus op_domain_to_alabel(const Node&, std::string_view input, EvalContext& context,
                               std::string& out) {
  char* made = nullptr;
  const int code = idn2_to_ascii_8z(std::string(input).c_str(), &made, IDN2_NFC_INPUT);
  return finish_idn(code, made, context, out);
}

EvalStatus op_domain_from_alabel(const Node&, std::string_view input, EvalContext& context,
                                 std::string& out) {
  char* made = nullptr;
  const int code = idn2_to_unicode_8z8z(std::string(input).c_str(), &made, 0);
  return finish_idn(code, made, context, out);
}

EvalStatus op_localpart_to_alabel(const Node&, std::string_view input, EvalContext& context,
                                  std::string& out) {
  const std::optional<std::string> text = to_punycode(input);
  if (!text) return fail(context, "utf8 local part is not well-formed");
  out += *text;
  return EvalStatus::ok;
}

std::optional<std::string> address_to_ascii(std::string_view address) {
  const size_t at = address.rfind('@');
  std::optional<std::string> local_part = to_punycode(address.substr(0, at));
  if (!local_part || at == std::string_view::npos) return local_part;
  char* made = nullptr;
  const std::string domain(address.substr(at + 1));
  const int code = idn2_to_ascii_8z(domain.c_str(), &made, IDN2_NFC_INPUT);
  const std::unique_ptr<char, FreeText> text(made);
  if (code != IDN2_OK) return std::nullopt;
  return *local_part + "@" + text.get();
}

EvalStatus op_localpart_from_alabel(const Node&, std::string_view input, EvalContext& context,
                                    std::string& out) {
  const std::optional<std::string> text = from_punycode(input);
  if (!text) {
    return fail(context,
                "error converting alabel (" + std::string(input) + ") to utf8: bad alabel prefix");
  }
  out += *text;
  return EvalStatus::ok;
}

}  // namespace godwit::acl
