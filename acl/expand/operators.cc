// The table of operators.
#include "acl/expand/operators.h"

#include "acl/expand/operator_checks.h"

#include <array>

namespace godwit::acl {
namespace {

// clang-format off
// name, numbers min and max, function, word after the underscore, check at load, may wait, documentation
constexpr auto kRows = std::to_array<OperatorRow>({
    {"address", 0, 0, op_address, nullptr, nullptr, false, "the address of a header's address"},
    {"addresses", 0, 0, op_addresses, nullptr, nullptr, false, "the addresses of a header, as a list"},
    {"base32", 0, 0, op_base32, nullptr, nullptr, false, "number in base 32"},
    {"base32d", 0, 0, op_base32d, nullptr, nullptr, false, "number from base 32"},
    {"base62", 0, 0, op_base62, nullptr, nullptr, false, "number in base 62"},
    {"base62d", 0, 0, op_base62d, nullptr, nullptr, false, "number from base 62"},
    {"base64", 0, 0, op_base64, nullptr, nullptr, false, "text in base 64"},
    {"base64d", 0, 0, op_base64d, nullptr, nullptr, false, "text from base 64"},
    {"domain", 0, 0, op_domain, nullptr, nullptr, false, "domain of an address"},
    {"escape", 0, 0, op_escape, nullptr, nullptr, false, "characters that do not print as escapes"},
    {"escape8bit", 0, 0, op_escape8bit, nullptr, nullptr, false, "bytes over 127 as escapes"},
    {"eval", 0, 0, op_eval, nullptr, nullptr, false, "arithmetic"},
    {"eval10", 0, 0, op_eval10, nullptr, nullptr, false, "arithmetic, numbers always decimal"},
    {"expand", 0, 0, op_expand, nullptr, check_expand, true, "the text, expanded again"},
    {"from_utf8", 0, 0, op_from_utf8, nullptr, nullptr, false, "UTF-8 to ISO-8859-1"},
    {"h", 1, 2, op_hash, nullptr, nullptr, false, "hash_n_m"},
    {"hash", 1, 2, op_hash, nullptr, nullptr, false, "hash of letters and digits"},
    {"headerwrap", 0, 2, op_headerwrap, nullptr, nullptr, false, "folds a header"},
    {"hex2b64", 0, 0, op_hex2b64, nullptr, nullptr, false, "hexadecimal to base 64"},
    {"hexquote", 0, 0, op_hexquote, nullptr, nullptr, false, "bytes that do not print as \\xNN"},
    {"ipv6denorm", 0, 0, op_ipv6denorm, nullptr, nullptr, false, "IPv6 address in full"},
    {"ipv6norm", 0, 0, op_ipv6norm, nullptr, nullptr, false, "IPv6 address, shortest"},
    {"l", 1, 1, op_length, nullptr, nullptr, false, "length_n"},
    {"lc", 0, 0, op_lc, nullptr, nullptr, false, "lower case"},
    {"length", 1, 1, op_length, nullptr, nullptr, false, "the first n characters"},
    {"listcount", 0, 0, op_listcount, nullptr, nullptr, false, "items of a list"},
    {"listnamed", 0, 0, op_listnamed, check_listnamed_word, nullptr, false, "text of a named list"},
    {"local_part", 0, 0, op_local_part, nullptr, nullptr, false, "local part of an address"},
    {"mask", 0, 0, op_mask, check_mask_word, nullptr, false, "network of an address"},
    {"md5", 0, 0, op_md5, nullptr, nullptr, false, "MD5"},
    {"nh", 1, 2, op_nhash, nullptr, nullptr, false, "nhash_n_m"},
    {"nhash", 1, 2, op_nhash, nullptr, nullptr, false, "numeric hash"},
    {"quote", 0, 0, op_quote, check_quote_word, nullptr, false, "quotes where needed; quote_mysql and its kin for queries"},
    {"quote_local_part", 0, 0, op_quote_local_part, nullptr, nullptr, false, "quotes a local part where needed"},
    {"randint", 0, 0, op_randint, nullptr, nullptr, false, "random number"},
    {"reverse_ip", 0, 0, op_reverse_ip, nullptr, nullptr, false, "address for DNS lists"},
    {"rfc2047", 0, 0, op_rfc2047, nullptr, nullptr, false, "encoded words"},
    {"rfc2047d", 0, 0, op_rfc2047d, nullptr, nullptr, false, "decoded words"},
    {"rxquote", 0, 0, op_rxquote, nullptr, nullptr, false, "quotes for regular expressions"},
    {"s", 1, 2, op_substr, nullptr, nullptr, false, "substr_n_m"},
    {"sha1", 0, 0, op_sha1, nullptr, nullptr, false, "SHA-1"},
    {"sha2", 0, 1, op_sha2, nullptr, nullptr, false, "SHA-2"},
    {"sha256", 0, 0, op_sha256, nullptr, nullptr, false, "SHA-256"},
    {"sha3", 0, 1, op_sha3, nullptr, nullptr, false, "SHA-3"},
    {"stat", 0, 0, op_stat, nullptr, nullptr, true, "facts of a file"},
    {"str2b64", 0, 0, op_base64, nullptr, nullptr, false, "text in base 64"},
    {"strlen", 0, 0, op_strlen, nullptr, nullptr, false, "length"},
    {"substr", 1, 2, op_substr, nullptr, nullptr, false, "part of a text"},
    {"time_eval", 0, 0, op_time_eval, nullptr, nullptr, false, "time as seconds"},
    {"time_interval", 0, 0, op_time_interval, nullptr, nullptr, false, "seconds as time"},
    {"uc", 0, 0, op_uc, nullptr, nullptr, false, "upper case"},
    {"utf8_domain_from_alabel", 0, 0, op_domain_from_alabel, nullptr, nullptr, false, "domain from its ASCII form"},
    {"utf8_domain_to_alabel", 0, 0, op_domain_to_alabel, nullptr, nullptr, false, "domain in its ASCII form"},
    {"utf8_localpart_from_alabel", 0, 0, op_localpart_from_alabel, nullptr, nullptr, false, "local part from its ASCII form"},
    {"utf8_localpart_to_alabel", 0, 0, op_localpart_to_alabel, nullptr, nullptr, false, "local part in its ASCII form"},
    {"utf8clean", 0, 0, op_utf8clean, nullptr, nullptr, false, "bytes that are not UTF-8 as ?"},
    {"xtextd", 0, 0, op_xtextd, nullptr, nullptr, false, "text from xtext"},
});
// clang-format on

}  // namespace

std::span<const OperatorRow> operator_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
