#include "acl/policy/client_authorization.h"

#include "acl/expand/services.h"
#include "core/base/ascii.h"
#include "dns/authorization.h"
#include "dns/questions.h"

#include <algorithm>
#include <array>
#include <string>

namespace godwit::acl {
namespace {

using enum Authorized;

// verdict, answer, $csa_status, reason
constexpr auto kRows = std::to_array<AuthorizedRow>({
    {unknown, Answer::yes, "unknown", "unknown"},
    {yes, Answer::yes, "ok", "ok"},
    {no_records, Answer::yes, "defer", "deferred (SRV lookup failed)"},
    {no_target, Answer::yes, "defer", "deferred (target address lookup failed)"},
    {must_be_named, Answer::no, "fail", "failed (explicit authorization required)"},
    {forbidden, Answer::no, "fail", "failed (host name not authorized)"},
    {without_address, Answer::no, "fail", "failed (no authorized addresses)"},
    {other_address, Answer::no, "fail", "failed (client address mismatch)"},
});

// "[192.0.2.1]" and "[IPv6:2001:db8::1]" without their frame.
std::string_view unframed(std::string_view domain) {
  if (!domain.starts_with('[') || !domain.ends_with(']')) return domain;
  domain = domain.substr(1, domain.size() - 2);
  constexpr std::string_view kTag = "IPv6:";
  if (starts_with_ignore_case(domain, kTag)) domain.remove_prefix(kTag.size());
  return domain;
}

Authorized judge_target(dns::Resolver& resolver, const std::string& target, IpAddress client) {
  if (target.empty() || target == ".") return without_address;
  const dns::RrType type = client.is_v6() ? dns::RrType::AAAA : dns::RrType::A;
  const Result<dns::Answer> addresses = dns::ask(resolver, target, type);
  if (!addresses) return no_target;
  if (!addresses->found()) return without_address;
  const bool is_there = std::any_of(addresses->records.begin(), addresses->records.end(),
                                    [&](const dns::Record& record) {
                                      const auto* address = record.as<IpAddress>();
                                      return address != nullptr && *address == client;
                                    });
  return is_there ? yes : other_address;
}

Authorized judge(dns::Resolver& resolver, const dns::Authorization& found, IpAddress client) {
  for (const dns::Record& record : found.answer.records) {
    const auto* srv = record.as<dns::Srv>();
    if (srv == nullptr || srv->priority != dns::kAuthorizationVersion) continue;
    if (found.is_parent)
      return (srv->port & dns::kAuthorizationExplicit) != 0 ? must_be_named : unknown;
    if (srv->weight < dns::kAuthorizationGiven) return forbidden;
    if (srv->weight == dns::kAuthorizationGiven) return judge_target(resolver, srv->target, client);
  }
  return unknown;
}

}  // namespace

const AuthorizedRow& authorized_row(Authorized verdict) noexcept {
  return *std::find_if(kRows.begin(), kRows.end(),
                       [=](const AuthorizedRow& row) { return row.verdict == verdict; });
}

Authorized authorize_client(std::string_view domain, EvalContext& context) {
  const std::string name = to_lower(unframed(domain));
  const ServerFacts defaults;
  const ServerFacts& server = context.server == nullptr ? defaults : *context.server;
  if (!server.csa_of_addresses && IpAddress::parse(name)) return unknown;
  auto& known = context.findings.authorized;
  if (const auto before = known.find(name); before != known.end()) return before->second;
  if (context.services == nullptr || context.services->resolver == nullptr) return no_records;
  dns::Resolver& resolver = *context.services->resolver;
  const Result<dns::Authorization> found =
      dns::wait_here(dns::client_authorization(resolver, name, server.csa_parents_max));
  const Authorized verdict =
      found ? judge(resolver, *found, context.connection->sender_host->address) : no_records;
  known.emplace(name, verdict);
  return verdict;
}

}  // namespace godwit::acl
