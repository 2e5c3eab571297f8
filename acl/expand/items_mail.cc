// Items about mail: signed bounce addresses (prvs), SRS, Authentication-Results.
#include "acl/expand/arguments.h"
#include "acl/expand/digest.h"
#include "acl/expand/items.h"
#include "acl/expand/srs.h"
#include "core/base/ascii.h"
#include "protocol/message/address_syntax.h"

#include <array>
#include <cstdio>

namespace godwit::acl {
namespace {

constexpr int64_t kPrvsDays = 7;  // a signed address holds that long
constexpr int64_t kDaySeconds = 86400;
constexpr int64_t kDayModulus = 1000;
constexpr size_t kPrvsHashBytes = 3;

std::string prvs_day(const EvalContext& context, int64_t days) {
  const int64_t day = (context.now.seconds() + days * kDaySeconds) / kDaySeconds % kDayModulus;
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%03d", static_cast<int>(day));
  return text.data();
}

std::string prvs_hash(std::string_view address, std::string_view secret, std::string_view key,
                      std::string_view day) {
  std::string source(key);
  source.append(day).append(address);
  std::string hex;
  append_hex(hmac("SHA1", secret, source).substr(0, kPrvsHashBytes), false, hex);
  return hex;
}

struct SignedAddress {
  std::string key;
  std::string day;
  std::string hash;
  std::string address;
};

// "prvs=KDDDHHHHHH=local@domain"
std::optional<SignedAddress> read_signed(std::string_view text) {
  constexpr std::string_view kMark = "prvs=";
  constexpr size_t kTagBytes = 10;
  if (!starts_with_ignore_case(text, kMark)) return std::nullopt;
  text.remove_prefix(kMark.size());
  if (text.size() < kTagBytes + 2 || text[kTagBytes] != '=') return std::nullopt;
  SignedAddress made;
  made.key = text.substr(0, 1);
  made.day = text.substr(1, 3);
  made.hash = text.substr(4, 6);
  made.address = text.substr(kTagBytes + 1);
  const bool digits = parse_decimal(made.key + made.day).has_value();
  const size_t at = made.address.rfind('@');
  const bool has_domain = at != std::string::npos && at > 0 && at + 1 < made.address.size();
  if (!digits || !from_hex(made.hash) || !has_domain) return std::nullopt;
  return made;
}

bool is_signature_good(const SignedAddress& address, std::string_view secret,
                       const EvalContext& context) {
  const std::string hash = prvs_hash(address.address, secret, address.key, address.day);
  if (!equals_ignore_case(hash, address.hash)) return false;
  int64_t today = static_cast<int64_t>(*parse_decimal(prvs_day(context, 0)));
  const auto expires = static_cast<int64_t>(*parse_decimal(address.day));
  // Days count to 1000 and begin again.
  if (expires < kPrvsDays && today >= kDayModulus - kPrvsDays) today = 0;
  return expires >= today;
}

}  // namespace

// ${prvs{address}{secret}{key number}}
EvalStatus run_prvs(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string& address = args[0].text;
  const size_t at = address.rfind('@');
  if (at == std::string::npos || at == 0 || at + 1 == address.size()) {
    return fail(context, "prvs first argument must be a qualified email address");
  }
  const std::string key = args.size() > 2 && !args[2].text.empty() ? args[2].text : "0";
  if (key.size() != 1 || !is_digit(key.front())) {
    return fail(context, "prvs third argument must be a single digit");
  }
  const std::string day = prvs_day(context, kPrvsDays);
  out += "prvs=" + key + day + prvs_hash(address, args[1].text, key, day) + "=" + address;
  context.tainted |= args[0].tainted;
  return EvalStatus::ok;
}

// ${prvscheck{address}{secret}{result}}: the later arguments may use $prvscheck_...
EvalStatus run_prvscheck(const Node& node, EvalContext& context, std::string& out) {
  Value subject;
  EvalStatus status = read_value(node.parts[0], context, subject);
  if (status != EvalStatus::ok) return status;
  const std::optional<SignedAddress> address = read_signed(subject.text);
  if (!address) return EvalStatus::ok;
  context.prvscheck_address = address->address;
  context.prvscheck_keynum = address->key;
  context.prvscheck_result.clear();
  Value secret;
  status = read_value(node.parts[1], context, secret);
  if (status != EvalStatus::ok) return status;
  if (is_signature_good(*address, secret.text, context)) context.prvscheck_result = "1";
  Value result;
  if (node.parts.size() > 2) status = read_value(node.parts[2], context, result);
  if (result.text.empty()) result = {address->address, subject.tainted};
  context.prvscheck_address.clear();
  context.prvscheck_keynum.clear();
  if (status != EvalStatus::ok) return status;
  out += result.text;
  context.tainted |= result.tainted;
  return EvalStatus::ok;
}

// ${srs_encode{secret}{return path}{domain}}: nothing for a bounce.
EvalStatus run_srs_encode(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  if (args[1].text.empty()) return EvalStatus::ok;
  out += srs_encode(args[0].text, args[1].text, args[2].text, context.now.seconds());
  context.tainted |= args[1].tainted;
  return EvalStatus::ok;
}

// ${authresults{host}}: RFC 8601, of what is known: the login and the reverse name.
EvalStatus run_authresults(const Node& node, EvalContext& context, std::string& out) {
  Value host;
  const EvalStatus status = read_value(node.parts[0], context, host);
  if (status != EvalStatus::ok) return status;
  out += "Authentication-Results: " + host.text;
  context.tainted |= host.tainted;
  const ConnectionFacts* facts = context.connection;
  if (facts == nullptr) return EvalStatus::ok;
  if (!facts->sender_host_name.empty()) {
    out += ";\n\tiprev=pass (" + facts->sender_host_name + ")";
    if (facts->sender_host) out += " smtp.remote-ip=" + facts->sender_host->address.to_string();
    context.tainted = true;
  }
  if (!facts->sender_host_authenticated.empty()) {
    out += ";\n\tauth=pass (" + facts->sender_host_authenticated + ")";
    if (!facts->authenticated_id.empty()) out += " smtp.auth=" + facts->authenticated_id;
    context.tainted = true;
  }
  return EvalStatus::ok;
}

}  // namespace godwit::acl
