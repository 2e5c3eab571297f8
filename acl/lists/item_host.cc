// Items that ask the DNS about hosts: names in host lists, @mx_... in domain lists.
#include "acl/expand/client.h"
#include "acl/expand/host_addresses.h"
#include "acl/expand/services.h"
#include "acl/lists/item.h"
#include "core/base/ascii.h"
#include "dns/questions.h"

#include <algorithm>

namespace godwit::acl {
namespace {

ListMatch deferred(std::string why) {
  return {Match::defer, {}, std::move(why)};
}

ItemAnswer unknown() {
  ItemAnswer answer;
  answer.unknown = true;
  return answer;
}

}  // namespace

bool is_local_address(const IpAddress& address, const EvalContext& context) {
  if (context.server == nullptr) return false;
  const auto& known = context.server->local_addresses;
  return std::find(known.begin(), known.end(), address) != known.end();
}

std::optional<std::vector<std::string>> host_names(const ItemSubject& subject, EvalContext& context,
                                                   ItemAnswer& answer) {
  const ListSubject& host = subject.subject;
  if (!host.host_name.empty() && !host.is_client) return {{std::string(host.host_name)}};
  if (!host.address) return std::nullopt;
  if (!host.is_client) {
    answer = unknown();
    return std::nullopt;
  }
  if (context.client != nullptr &&
      context.client->find_name(context) == ClientIdentity::Name::deferred) {
    answer = deferred("host name lookup deferred for reverse lookup check");
    answer.match.message = context.client->problem();
    return std::nullopt;
  }
  const ConnectionFacts* facts = context.connection;
  const std::string_view name =
      facts != nullptr ? std::string_view(facts->sender_host_name) : host.host_name;
  if (name.empty()) {
    answer = unknown();
    return std::nullopt;
  }
  std::vector<std::string> names{std::string(name)};
  if (facts != nullptr)
    names.insert(names.end(), facts->sender_host_aliases.begin(), facts->sender_host_aliases.end());
  return names;
}

ItemAnswer test_host_address(const ListItem& item, const ItemSubject& subject,
                             EvalContext& context) {
  const auto& address = subject.subject.address;
  if (!address) return {};
  const NamedAddresses known = addresses_of(item.pattern, context);
  if (!known.problem.empty()) return deferred(known.problem);
  if (known.found.empty()) return unknown();
  const bool same =
      std::find(known.found.begin(), known.found.end(), *address) != known.found.end();
  return same ? ItemAnswer(ListMatch{Match::yes, item.text, {}}) : ItemAnswer();
}

ItemAnswer test_host_suffix(const ListItem& item, const ItemSubject& subject,
                            EvalContext& context) {
  ItemAnswer answer;
  const auto names = host_names(subject, context, answer);
  if (!names) return answer;
  for (const std::string& name : *names) {
    if (to_lower(name).ends_with(item.pattern)) return ListMatch{Match::yes, item.text, {}};
  }
  return {};
}

ItemAnswer test_host_regex(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  ItemAnswer answer;
  const auto names = host_names(subject, context, answer);
  if (!names) return answer;
  for (const std::string& name : *names) {
    const Result<bool> found = item.regex.search(name);
    if (!found) return deferred("regular expression " + item.text + ": " + found.error().detail());
    if (*found) return ListMatch{Match::yes, item.text, {}};
  }
  return {};
}

// Whether this machine is among the mail exchangers of the domain. `pattern` is "any", "primary"
// or "secondary"; addresses that `list` matches do not count.
ItemAnswer test_mail_exchanger(const ListItem& item, const ItemSubject& subject,
                               EvalContext& context) {
  const Services* services = context.services;
  if (services == nullptr || services->resolver == nullptr)
    return deferred("the DNS cannot be asked here");
  const std::string domain(subject.lower);
  if (domain.empty() || domain.starts_with('[')) return {};
  const auto exchangers = dns::wait_here(dns::mail_exchangers(*services->resolver, domain));
  if (!exchangers) return deferred("DNS lookup of \"" + domain + "\" deferred");
  std::optional<uint16_t> best;
  for (const dns::Mx& host : exchangers->hosts) {
    NamedAddresses known = addresses_of(host.exchange, context);
    if (!known.problem.empty()) return deferred(std::move(known.problem));
    bool is_local = false;
    bool counts = false;
    for (const IpAddress& address : known.found) {
      ListSubject candidate;
      candidate.address = address;
      if (item.list && item.list->match(candidate, context).match == Match::yes) continue;
      counts = true;
      is_local = is_local || is_local_address(address, context);
    }
    if (!counts) continue;
    if (!best) best = host.preference;
    if (!is_local) continue;
    const bool is_primary = host.preference == *best;
    const bool wanted = item.pattern == "any" || (item.pattern == "primary") == is_primary;
    return wanted ? ItemAnswer(ListMatch{Match::yes, item.text, {}}) : ItemAnswer();
  }
  return {};
}

}  // namespace godwit::acl
