// Operators that encode and digest.
#include "acl/expand/digest.h"
#include "acl/expand/operators.h"

#include <array>

namespace godwit::acl {
namespace {

struct Variant {
  int64_t bits;
  const char* name;
};

// The first row is what the operator does without a number.
EvalStatus run_variant(std::span<const Variant> variants, std::string_view op, const Node& node,
                       std::string_view input, EvalContext& context, std::string& out) {
  for (const Variant& variant : variants) {
    if (node.number_count > 0 && node.numbers[0] != variant.bits) continue;
    append_hex(digest(variant.name, input).view(), true, out);
    return EvalStatus::ok;
  }
  return fail(context, "unrecognised " + std::string(op) + " variant");
}

}  // namespace

EvalStatus op_base64(const Node&, std::string_view input, EvalContext&, std::string& out) {
  append_base64(input, out);
  return EvalStatus::ok;
}

EvalStatus op_base64d(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  const std::optional<std::string> bytes = from_base64(input);
  if (!bytes) {
    return fail(context, "string \"" + std::string(input) +
                             "\" is not well-formed for \"base64d\" operator");
  }
  out += *bytes;
  return EvalStatus::ok;
}

EvalStatus op_hex2b64(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  const std::optional<std::string> bytes = from_hex(input);
  if (!bytes) {
    const bool odd = input.size() % 2 != 0 &&
                     input.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    return fail(context,
                "\"" + std::string(input) +
                    (odd ? "\" contains an odd number of characters" : "\" is not a hex string"));
  }
  append_base64(*bytes, out);
  return EvalStatus::ok;
}

EvalStatus op_md5(const Node&, std::string_view input, EvalContext&, std::string& out) {
  append_hex(digest("MD5", input).view(), false, out);
  return EvalStatus::ok;
}

EvalStatus op_sha1(const Node&, std::string_view input, EvalContext&, std::string& out) {
  append_hex(digest("SHA1", input).view(), true, out);
  return EvalStatus::ok;
}

EvalStatus op_sha256(const Node&, std::string_view input, EvalContext&, std::string& out) {
  append_hex(digest("SHA256", input).view(), true, out);
  return EvalStatus::ok;
}

EvalStatus op_sha2(const Node& node, std::string_view input, EvalContext& context,
                   std::string& out) {
  static constexpr std::array<Variant, 3> kVariants{
      {{256, "SHA256"}, {384, "SHA384"}, {512, "SHA512"}}};
  return run_variant(kVariants, "sha2", node, input, context, out);
}

EvalStatus op_sha3(const Node& node, std::string_view input, EvalContext& context,
                   std::string& out) {
  static constexpr std::array<Variant, 4> kVariants{
      {{256, "SHA3-256"}, {224, "SHA3-224"}, {384, "SHA3-384"}, {512, "SHA3-512"}}};
  return run_variant(kVariants, "sha3", node, input, context, out);
}

}  // namespace godwit::acl
