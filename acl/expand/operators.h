// Operators, `${name:text}` and `${name_1_2:text}`: a row each. A row without a function is known
// to the language and not available. The functions stand in operators_*.cc by theme.
#pragma once

#include "acl/expand/node.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace godwit::acl {

class Parser;

// `input` is the expanded operand. It may be a text of the context: what evaluates more, as
// ${expand does, takes what it needs of it first.
using RunOperator = EvalStatus (*)(const Node& node, std::string_view input, EvalContext& context,
                                   std::string& out);

struct OperatorRow {
  std::string_view name;
  uint8_t numbers_min;  // how many numbers follow the name: substr_3_2
  uint8_t numbers_max;
  RunOperator run;  // null: not available
  // Of quote_<lookup> and listnamed_<kind>: checks the word after the underscore, which is
  // node.text. Null: only numbers may follow.
  bool (*word)(Node& node, std::string& why);
  bool (*check)(Parser& parser, Node& node);  // looks at the operand at load; null: nothing
  bool suspends;                              // may wait for something outside
  std::string_view doc;
};
std::span<const OperatorRow> operator_rows() noexcept;

// RunOperator each.
// operators_text.cc
EvalStatus op_lc(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_uc(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_length(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_substr(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_escape(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_escape8bit(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_hexquote(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_quote(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_rxquote(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_strlen(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_headerwrap(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_expand(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_listcount(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_listnamed(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_quote_lookup(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_xtextd(const Node&, std::string_view, EvalContext&, std::string&);
// operators_address.cc
EvalStatus op_address(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_addresses(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_domain(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_local_part(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_quote_local_part(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_ipv6denorm(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_ipv6norm(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_mask(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_reverse_ip(const Node&, std::string_view, EvalContext&, std::string&);
// operators_number.cc
EvalStatus op_base32(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_base32d(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_base62(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_base62d(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_eval(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_eval10(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_hash(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_nhash(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_randint(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_stat(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_time_eval(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_time_interval(const Node&, std::string_view, EvalContext&, std::string&);
// operators_digest.cc
EvalStatus op_base64(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_base64d(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_hex2b64(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_md5(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_sha1(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_sha256(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_sha2(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_sha3(const Node&, std::string_view, EvalContext&, std::string&);
// operators_charset.cc
EvalStatus op_from_utf8(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_utf8clean(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_rfc2047(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_rfc2047d(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_domain_from_alabel(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_domain_to_alabel(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_localpart_from_alabel(const Node&, std::string_view, EvalContext&, std::string&);
EvalStatus op_localpart_to_alabel(const Node&, std::string_view, EvalContext&, std::string&);

// What `hash`, `nhash`, `length` and `substr` do as operators and as items. A number that was not
// given is absent.
void take_substr(std::string_view input, int64_t start, std::optional<int64_t> length,
                 std::string& out);
// False, with the reason in `why`.
bool take_hash(std::string_view input, int64_t length, std::optional<int64_t> letters,
               std::string& out, std::string& why);
void take_nhash(std::string_view input, int64_t first, std::optional<int64_t> second,
                std::string& out);
void fold_header(std::string_view text, size_t width, size_t limit, std::string& out);

// Puts double quotes around `text`, and backslashes before what does not stand for itself there.
void append_in_quotes(std::string_view text, std::string& out);
// Puts double quotes around a local part that needs them, and backslashes inside. RFC 5321 4.1.2.
void append_quoted_local_part(std::string_view text, std::string& out);

}  // namespace godwit::acl
