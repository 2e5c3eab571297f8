#include "acl/expand/client.h"

#include "acl/expand/services.h"
#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "dns/questions.h"

#include <algorithm>

namespace godwit::acl {
namespace {

// host_lookup_order, as rows of methods; words that are none are ignored here and refused at load.
std::vector<dns::ReverseMethod> methods_of(const EvalContext& context) {
  std::vector<dns::ReverseMethod> out;
  if (context.server == nullptr) return out;
  for (const std::string& word : config::split_list(context.server->host_lookup_order)) {
    if (word == "bydns") out.push_back(dns::ReverseMethod::bydns);
    if (word == "byaddr") out.push_back(dns::ReverseMethod::byaddr);
  }
  return out;
}

}  // namespace

ClientIdentity::Name ClientIdentity::find_name(EvalContext& context) {
  if (asked_) return name_;
  if (!facts_.sender_host_name.empty()) {
    asked_ = true;
    return name_ = Name::found;
  }
  if (!facts_.sender_host) return Name::none;
  asked_ = true;
  name_ = take(context);
  facts_.host_lookup_failed = name_ == Name::none;
  facts_.host_lookup_deferred = name_ == Name::deferred;
  return name_;
}

ClientIdentity::Name ClientIdentity::take(EvalContext& context) {
  const std::string address = facts_.sender_host->address.to_string();
  const Services* services = context.services;
  if (services == nullptr || services->resolver == nullptr) {
    problem_ = "the DNS cannot be asked here";
    return Name::deferred;
  }
  const std::vector<dns::ReverseMethod> order = methods_of(context);
  dns::ReverseOptions options;
  options.order = order;
  options.hosts_file = services->hosts_file;
  const Result<dns::ReverseName> answer = dns::wait_here(
      dns::reverse_lookup(*services->resolver, facts_.sender_host->address, options));
  if (!answer) {
    problem_ = "host name lookup for " + address + " deferred: " + answer.error().detail();
    return Name::deferred;
  }
  if (answer->status == dns::ReverseStatus::confirmed && !answer->names.empty()) {
    facts_.sender_host_name = to_lower(answer->names.front());
    facts_.sender_host_aliases.clear();
    for (size_t i = 1; i < answer->names.size(); ++i)
      facts_.sender_host_aliases.push_back(to_lower(answer->names[i]));
    facts_.sender_host_dnssec = answer->secure;
    return Name::found;
  }
  problem_ = "failed to find host name from IP address";
  if (answer->status == dns::ReverseStatus::not_confirmed) {
    problem_ = address + " does not match any IP address for " +
               (answer->unmatched.empty() ? std::string() : answer->unmatched.front());
  }
  return Name::none;
}

void ClientIdentity::forget_helo() noexcept {
  facts_.helo_verified = facts_.helo_verify_failed = facts_.helo_secure = false;
}

bool ClientIdentity::verify_helo(EvalContext& context) {
  if (facts_.helo_verified || facts_.helo_verify_failed) return facts_.helo_verified;
  facts_.helo_verified = helo_is_own(context);
  facts_.helo_verify_failed = !facts_.helo_verified;
  if (!facts_.helo_verified) facts_.helo_secure = false;
  return facts_.helo_verified;
}

bool ClientIdentity::helo_is_own(EvalContext& context) {
  const std::string helo = to_lower(facts_.sender_helo_name);
  if (helo.empty() || !facts_.sender_host) return false;
  const IpAddress& address = facts_.sender_host->address;
  if (helo.front() == '[') {
    std::string_view inside = std::string_view(helo).substr(1);
    if (inside.starts_with("ipv6:")) inside.remove_prefix(5);
    if (!inside.ends_with(']')) return false;
    inside.remove_suffix(1);
    const Result<IpAddress> literal = IpAddress::parse(inside);
    return literal && *literal == address;
  }
  if (find_name(context) == Name::found) {
    const auto& others = facts_.sender_host_aliases;
    facts_.helo_secure = facts_.sender_host_dnssec.value_or(false);
    if (facts_.sender_host_name == helo) return true;
    if (std::find(others.begin(), others.end(), helo) != others.end()) return true;
  }
  const Services* services = context.services;
  if (services == nullptr || services->resolver == nullptr) return false;
  const auto known = dns::wait_here(dns::host_addresses(*services->resolver, helo));
  facts_.helo_secure = known && known->secure;
  return known && std::find(known->addresses.begin(), known->addresses.end(), address) !=
                      known->addresses.end();
}

const std::string& client_name(const EvalContext& context) {
  static const std::string kNone;
  if (context.connection == nullptr) return kNone;
  if (context.client != nullptr && context.connection->sender_host_name.empty() &&
      !context.client->was_asked()) {
    // The name is a fact of the connection; what is being evaluated does not change by asking.
    EvalContext asking;
    asking.services = context.services;
    asking.server = context.server;
    asking.trace = context.trace;
    asking.connection = context.connection;
    context.client->find_name(asking);
  }
  return context.connection->sender_host_name;
}

}  // namespace godwit::acl
