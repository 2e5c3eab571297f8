// The table of conditions, def: and the combinations.
#include "acl/expand/conditions.h"

#include "acl/expand/arguments.h"
#include "acl/expand/headers.h"
#include "acl/expand/number_text.h"

#include <array>

namespace godwit::acl {
namespace {

EvalStatus run_def(const ConditionNode& node, EvalContext& context, bool& answer) {
  const Node& subject = node.args[0].front();
  if (subject.run == run_header) {
    const std::optional<HeaderVariable> header = header_variable(subject.text);
    answer =
        header && context.message != nullptr && has_header(context.message->headers, header->name);
    return EvalStatus::ok;
  }
  Argument value;
  // An ACL variable that was never set is not defined; that is no error here.
  answer = value.peek(node.args[0], context) == EvalStatus::ok && !value.text().empty();
  context.error.clear();
  return EvalStatus::ok;
}

// form 0: and; 1: or. Stops at the first that decides.
EvalStatus run_combination(const ConditionNode& node, EvalContext& context, bool& answer) {
  const bool decides = node.form == 1;
  answer = !decides;
  for (const ConditionNode& child : node.children) {
    const EvalStatus status = run_condition(child, context, answer);
    if (status != EvalStatus::ok || answer == decides) return status;
  }
  return EvalStatus::ok;
}

constexpr auto kDomain = static_cast<uint8_t>(ListKind::domain);
constexpr auto kHost = static_cast<uint8_t>(ListKind::host);
constexpr auto kAddress = static_cast<uint8_t>(ListKind::address);
constexpr auto kLocalPart = static_cast<uint8_t>(ListKind::local_part);
using enum ConditionShape;

// clang-format off
// name, shape, arguments, form, may wait, sets, function, check at load, documentation
constexpr auto kRows = std::to_array<ConditionRow>({
    {"<", strings, 2, kLt, false, false, run_compare_number, check_compare_number, "numbers"},
    {"<=", strings, 2, kLe, false, false, run_compare_number, check_compare_number, "numbers"},
    {"=", strings, 2, kEq, false, false, run_compare_number, check_compare_number, "numbers"},
    {"==", strings, 2, kEq, false, false, run_compare_number, check_compare_number, "numbers"},
    {">", strings, 2, kGt, false, false, run_compare_number, check_compare_number, "numbers"},
    {">=", strings, 2, kGe, false, false, run_compare_number, check_compare_number, "numbers"},
    {"acl", braced_strings, 10, 0, true, true, run_acl_condition, nullptr, "an ACL accepts"},
    {"and", condition, 0, 0, false, false, run_combination, nullptr, "all conditions hold"},
    {"bool", strings, 1, 0, false, false, run_bool, nullptr, "true, yes, or a number that is not 0"},
    {"bool_lax", strings, 1, 1, false, false, run_bool, nullptr, "not empty, 0, no or false"},
    {"crypteq", strings, 2, 0, true, false, run_crypteq, nullptr, "a password fits its hash"},
    {"def", variable, 0, 0, false, false, run_def, nullptr, "a variable is not empty"},
    {"eq", strings, 2, kEq, false, false, run_compare_text, nullptr, "texts"},
    {"eqi", strings, 2, kEq | kIgnoreCase, false, false, run_compare_text, nullptr, "texts, any case"},
    {"exists", strings, 1, 0, true, false, run_exists, nullptr, "a file is there"},
    {"first_delivery", strings, 0, 0, false, false, run_state, nullptr, "the first try"},
    {"forall", each, 2, kSeparated | kAll, false, false, run_each, check_each, "a condition holds for all items"},
    {"forall_json", each, 2, kJson | kAll, false, false, run_each, check_each, "a condition holds for all items"},
    {"forall_jsons", each, 2, kJsonStrings | kAll, false, false, run_each, check_each, "a condition holds for all items"},
    {"forany", each, 2, kSeparated, false, false, run_each, check_each, "a condition holds for an item"},
    {"forany_json", each, 2, kJson, false, false, run_each, check_each, "a condition holds for an item"},
    {"forany_jsons", each, 2, kJsonStrings, false, false, run_each, check_each, "a condition holds for an item"},
    {"ge", strings, 2, kGe, false, false, run_compare_text, nullptr, "texts"},
    {"gei", strings, 2, kGe | kIgnoreCase, false, false, run_compare_text, nullptr, "texts, any case"},
    {"gt", strings, 2, kGt, false, false, run_compare_text, nullptr, "texts"},
    {"gti", strings, 2, kGt | kIgnoreCase, false, false, run_compare_text, nullptr, "texts, any case"},
    {"inbound_srs", strings, 2, 0, false, false, run_inbound_srs, nullptr, "an SRS address"},
    {"inlist", strings, 2, 0, false, true, run_inlist, check_inlist, "an item of a list"},
    {"inlisti", strings, 2, kIgnoreCase, false, true, run_inlist, check_inlist, "an item of a list, any case"},
    {"isip", strings, 1, 0, false, false, run_isip, nullptr, "an IP address"},
    {"isip4", strings, 1, 4, false, false, run_isip, nullptr, "an IPv4 address"},
    {"isip6", strings, 1, 6, false, false, run_isip, nullptr, "an IPv6 address"},
    {"ldapauth", strings, 1, 0, false, false, nullptr, nullptr, "LDAP authenticates"},
    {"le", strings, 2, kLe, false, false, run_compare_text, nullptr, "texts"},
    {"lei", strings, 2, kLe | kIgnoreCase, false, false, run_compare_text, nullptr, "texts, any case"},
    {"lt", strings, 2, kLt, false, false, run_compare_text, nullptr, "texts"},
    {"lti", strings, 2, kLt | kIgnoreCase, false, false, run_compare_text, nullptr, "texts, any case"},
    {"match", strings, 2, 0, false, true, run_match, check_match, "a regular expression"},
    {"match_address", list, 2, kAddress, false, true, run_match_list, nullptr, "an address list"},
    {"match_domain", list, 2, kDomain, false, true, run_match_list, nullptr, "a domain list"},
    {"match_ip", list, 2, kHost, false, true, run_match_list, nullptr, "a host list of addresses"},
    {"match_local_part", list, 2, kLocalPart, false, true, run_match_list, nullptr, "a local part list"},
    {"or", condition, 0, 1, false, false, run_combination, nullptr, "a condition holds"},
    {"pam", strings, 1, 0, false, false, nullptr, nullptr, "PAM authenticates"},
    {"pwcheck", strings, 1, 0, false, false, nullptr, nullptr, "pwcheck authenticates"},
    {"queue_running", strings, 0, 1, false, false, run_state, nullptr, "in a queue run"},
    {"radius", strings, 1, 0, false, false, nullptr, nullptr, "RADIUS authenticates"},
    {"saslauthd", strings, 1, 0, false, false, nullptr, nullptr, "saslauthd authenticates"},
});
// clang-format on

}  // namespace

std::span<const ConditionRow> condition_rows() noexcept {
  return kRows;
}

std::optional<int64_t> expression_number(std::string_view text) noexcept {
  int64_t plain = 0;
  if (read_plain_digits(text, plain)) return plain;
  const NumberText number = read_number_text(text);
  if (!number.error.empty()) return std::nullopt;
  return number.value;
}

}  // namespace godwit::acl
