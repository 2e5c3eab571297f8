#include "acl/expand/conditions.h"

#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/ip_address.h"
#include "core/config/values.h"

#include <array>
#include <optional>

namespace godwit::acl {
namespace {

enum Comparison : uint8_t { kEq, kLt, kLe, kGt, kGe };
constexpr uint8_t kIgnoreCase = 0x10;

template <class T>
bool compare(uint8_t form, const T& a, const T& b) {
  switch (form) {
    case kLt:
      return a < b;
    case kLe:
      return a <= b;
    case kGt:
      return a > b;
    case kGe:
      return a >= b;
    default:
      return a == b;
  }
}

// Evaluates all arguments; at most two are used by the functions here.
EvalStatus read_args(const ConditionNode& node, EvalContext& context,
                     std::array<std::string, 2>& args) {
  for (size_t i = 0; i < node.args.size() && i < args.size(); ++i) {
    const EvalStatus status = run_sequence(node.args[i], context, args[i]);
    if (status != EvalStatus::ok) return status;
  }
  return EvalStatus::ok;
}

EvalStatus run_compare_text(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::array<std::string, 2> args;
  const EvalStatus status = read_args(node, context, args);
  if (status != EvalStatus::ok) return status;
  if ((node.form & kIgnoreCase) != 0) {
    for (std::string& text : args) text = to_lower(text);
  }
  answer = compare(node.form & 0x0f, args[0], args[1]);
  return EvalStatus::ok;
}

EvalStatus run_compare_number(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::array<std::string, 2> args;
  const EvalStatus status = read_args(node, context, args);
  if (status != EvalStatus::ok) return status;
  std::array<int64_t, 2> numbers{};
  for (size_t i = 0; i < 2; ++i) {
    const auto number = expression_number(args[i]);
    if (!number) return fail(context, "integer expected but \"" + args[i] + "\" found");
    numbers[i] = *number;
  }
  answer = compare(node.form, numbers[0], numbers[1]);
  return EvalStatus::ok;
}

EvalStatus run_bool(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::array<std::string, 2> args;
  const EvalStatus status = read_args(node, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string_view text = trim(args[0]);
  const auto truth = truth_of(text);
  const bool lax = node.form != 0;
  if (!truth && !lax) {
    return fail(context, "unrecognised boolean value \"" + std::string(text) + "\"");
  }
  answer = truth.value_or(true);
  return EvalStatus::ok;
}

// form: 0 any, 4 or 6.
EvalStatus run_isip(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::array<std::string, 2> args;
  const EvalStatus status = read_args(node, context, args);
  if (status != EvalStatus::ok) return status;
  const Result<IpAddress> address = IpAddress::parse(args[0]);
  answer = address.has_value() && (node.form == 0 || address->is_v6() == (node.form == 6));
  return EvalStatus::ok;
}

EvalStatus run_def(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::string value;
  // An ACL variable that was never set is not defined; that is no error here.
  const EvalStatus status = append_variable(node.variable, node.text, context, value);
  answer = status == EvalStatus::ok && !value.empty();
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

EvalStatus run_match_list(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::string text;
  const EvalStatus status = run_sequence(node.args[0], context, text);
  if (status != EvalStatus::ok) return status;
  if (node.list == nullptr) return fail(context, "the list is not available");
  ListSubject subject;
  subject.text = text;
  if (static_cast<ListKind>(node.form) == ListKind::host) {
    const Result<IpAddress> address = IpAddress::parse(text);
    if (!text.empty() && !address) return fail(context, "\"" + text + "\" is not an IP address");
    if (address) subject.address = *address;
  }
  const ListMatch match = node.list->match(subject, context);
  if (match.match == Match::defer) {
    context.error = match.message;
    return EvalStatus::deferred;
  }
  answer = match.match == Match::yes;
  if (answer) context.value = match.data;
  return EvalStatus::ok;
}

constexpr auto kDomain = static_cast<uint8_t>(ListKind::domain);
constexpr auto kHost = static_cast<uint8_t>(ListKind::host);
constexpr auto kAddress = static_cast<uint8_t>(ListKind::address);
constexpr auto kLocalPart = static_cast<uint8_t>(ListKind::local_part);
using enum ConditionShape;

// clang-format off
// name, shape, arguments, form, function, documentation
constexpr auto kRows = std::to_array<ConditionRow>({
    {"<", strings, 2, kLt, run_compare_number, "numbers"},
    {"<=", strings, 2, kLe, run_compare_number, "numbers"},
    {"=", strings, 2, kEq, run_compare_number, "numbers"},
    {"==", strings, 2, kEq, run_compare_number, "numbers"},
    {">", strings, 2, kGt, run_compare_number, "numbers"},
    {">=", strings, 2, kGe, run_compare_number, "numbers"},
    {"acl", strings, 1, 0, nullptr, "an ACL accepts"},
    {"and", condition, 0, 0, run_combination, "all conditions hold"},
    {"bool", strings, 1, 0, run_bool, "true, yes, or a number that is not 0"},
    {"bool_lax", strings, 1, 1, run_bool, "not empty, 0, no or false"},
    {"crypteq", strings, 2, 0, nullptr, "a password fits its hash"},
    {"def", variable, 0, 0, run_def, "a variable is not empty"},
    {"eq", strings, 2, kEq, run_compare_text, "texts"},
    {"eqi", strings, 2, kEq | kIgnoreCase, run_compare_text, "texts, any case"},
    {"exists", strings, 1, 0, nullptr, "a file is there"},
    {"first_delivery", strings, 0, 0, nullptr, "the first try"},
    {"forall", strings, 2, 0, nullptr, "a condition holds for all items"},
    {"forall_json", strings, 2, 0, nullptr, "a condition holds for all items"},
    {"forall_jsons", strings, 2, 0, nullptr, "a condition holds for all items"},
    {"forany", strings, 2, 0, nullptr, "a condition holds for an item"},
    {"forany_json", strings, 2, 0, nullptr, "a condition holds for an item"},
    {"forany_jsons", strings, 2, 0, nullptr, "a condition holds for an item"},
    {"ge", strings, 2, kGe, run_compare_text, "texts"},
    {"gei", strings, 2, kGe | kIgnoreCase, run_compare_text, "texts, any case"},
    {"gt", strings, 2, kGt, run_compare_text, "texts"},
    {"gti", strings, 2, kGt | kIgnoreCase, run_compare_text, "texts, any case"},
    {"inbound_srs", strings, 2, 0, nullptr, "an SRS address"},
    {"inlist", strings, 2, 0, nullptr, "an item of a list"},
    {"inlisti", strings, 2, 0, nullptr, "an item of a list, any case"},
    {"isip", strings, 1, 0, run_isip, "an IP address"},
    {"isip4", strings, 1, 4, run_isip, "an IPv4 address"},
    {"isip6", strings, 1, 6, run_isip, "an IPv6 address"},
    {"ldapauth", strings, 1, 0, nullptr, "LDAP authenticates"},
    {"le", strings, 2, kLe, run_compare_text, "texts"},
    {"lei", strings, 2, kLe | kIgnoreCase, run_compare_text, "texts, any case"},
    {"lt", strings, 2, kLt, run_compare_text, "texts"},
    {"lti", strings, 2, kLt | kIgnoreCase, run_compare_text, "texts, any case"},
    {"match", strings, 2, 0, nullptr, "a regular expression"},
    {"match_address", list, 2, kAddress, run_match_list, "an address list"},
    {"match_domain", list, 2, kDomain, run_match_list, "a domain list"},
    {"match_ip", list, 2, kHost, run_match_list, "a host list of addresses"},
    {"match_local_part", list, 2, kLocalPart, run_match_list, "a local part list"},
    {"or", condition, 0, 1, run_combination, "a condition holds"},
    {"pam", strings, 1, 0, nullptr, "PAM authenticates"},
    {"pwcheck", strings, 1, 0, nullptr, "pwcheck authenticates"},
    {"queue_running", strings, 0, 0, nullptr, "in a queue run"},
    {"radius", strings, 1, 0, nullptr, "RADIUS authenticates"},
    {"saslauthd", strings, 1, 0, nullptr, "saslauthd authenticates"},
});
// clang-format on

}  // namespace

std::span<const ConditionRow> condition_rows() noexcept {
  return kRows;
}

std::optional<int64_t> expression_number(std::string_view text) noexcept {
  text = trim(text);
  if (text.empty()) return 0;
  // Leading zeros are decimal here, unlike in options.
  const bool negative = text.front() == '-';
  if (negative) text.remove_prefix(1);
  while (text.size() > 1 && text.front() == '0' && is_digit(text[1])) text.remove_prefix(1);
  const Result<int64_t> value = config::parse_integer(text);
  if (!value || text.starts_with('-') || starts_with_ignore_case(text, "0x")) return std::nullopt;
  return negative ? -*value : *value;
}

}  // namespace godwit::acl
