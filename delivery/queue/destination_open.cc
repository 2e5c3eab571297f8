// Destination: from a host to a connection: what options, lists and DANE say of it.
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/destination_run.h"
#include "delivery/queue/host_events.h"
#include "tls/context_cache.h"

#include <utility>

namespace godwit::delivery {

// What lists and expressions say of a host. On a fiber.
SmtpOpening Destination::opening_of(const Candidate& candidate, const DanePlan& dane) const {
  acl::AddressFacts address;
  address.host = candidate.host->name;
  address.host_address = candidate.endpoint.address.to_string();
  address.host_port = candidate.endpoint.port;
  acl::EvalContext evaluation;
  evaluation.services = table_.services_.evaluators;
  evaluation.server = &table_.services_.server;
  evaluation.address = &address;
  evaluation.now = table_.services_.loop.clock().wall();
  const acl::EvalResult helo = transport_.helo_data().evaluate(evaluation);
  const IpAddress& ip = candidate.endpoint.address;
  const auto matches = [&](const std::shared_ptr<const acl::ListPattern>& list) {
    return SmtpTransport::matches(list, candidate.host->name, ip, evaluation);
  };
  SmtpOpening out;
  out.helo_name =
      helo.ok() && !helo.text.empty() ? helo.text : table_.services_.server.primary_hostname;
  out.pipelining = !matches(transport_.avoid_pipelining);
  out.esmtp = !matches(transport_.avoid_esmtp);
  out.chunking = matches(transport_.try_chunking);
  out.prdr = matches(transport_.try_prdr);
  out.from = local_address(ip, evaluation);
  out.secure = candidate.host->secure;
  const TlsTarget target{candidate.host->name, ip, dane, table_.config_.options().openssl_options,
                         evaluation.now};
  out.tls = transport_.tls().plan(target, evaluation);
  out.proxies = proxies_of(evaluation, out.tls.problem);
  return out;
}

Task<std::optional<DeliveryOutcome>> Destination::open(
    const Candidate& candidate, EventSink* events, std::unique_ptr<SmtpConnection>& connection) {
  const DanePlan dane = co_await ask_dane(candidate);
  if (dane.use == DanePlan::Use::defer) {
    DeliveryOutcome failure = not_now(candidate, dane.problem);
    co_await tell(events, "dane:fail", failure.remote,
                  dane.is_required ? "dane-required" : "dnssec-invalid");
    co_return failure;
  }
  auto ask = [this, &candidate, &dane] { return opening_of(candidate, dane); };
  SmtpOpening opening = co_await on_fiber(ask);
  if (opening.tls.problem.empty() && opening.tls.attempts) {
    auto context = co_await table_.services_.tls.client(opening.tls.settings);
    if (context) {
      opening.tls.context = *context;
    } else {
      opening.tls.problem = "TLS session: " + context.error().detail();
    }
  }
  if (!opening.tls.problem.empty()) co_return not_now(candidate, opening.tls.problem);
  opening.tls.session.sessions = &table_.services_.tls_sessions;
  opening.events = events;
  SmtpOpening in_clear = opening;
  std::string problem;
  std::optional<DeliveryOutcome> failure =
      co_await open_as(candidate, std::move(opening), connection, problem);
  if (!failure || problem.empty()) co_return failure;
  table_.services_.log.main(LogEvent::deferral, "",
                            problem + ": delivering unencrypted to H=" + candidate.host->name +
                                " [" + candidate.endpoint.address.to_string() +
                                "] (not in hosts_require_tls)");
  in_clear.tls = TlsPlan();
  co_return co_await open_as(candidate, std::move(in_clear), connection, problem);
}

// `tls_problem`: why TLS failed, where the host may be tried in clear.
Task<std::optional<DeliveryOutcome>> Destination::open_as(
    const Candidate& candidate, SmtpOpening opening, std::unique_ptr<SmtpConnection>& connection,
    std::string& tls_problem) {
  std::unique_ptr<HostClaim> claim;
  if (co_await is_serialized(candidate)) {
    claim = HostClaim::take(table_.services_.hints.database(), candidate.host->name,
                            table_.services_.loop.clock().wall());
    if (claim == nullptr) {
      DeliveryOutcome busy = not_now(candidate, "serialize_hosts: another connection is open");
      busy.scope = FailureScope::none;
      busy.error_number = kErrorRetryNotReached;
      co_return busy;
    }
  }
  connection = std::make_unique<SmtpConnection>(table_.services_.loop, table_.connector(),
                                                transport_, candidate.host->name,
                                                candidate.endpoint, candidate.host->from_mx);
  open_.push_back(connection.get());
  if (claim != nullptr) claims_[connection.get()] = std::move(claim);
  EventSink* events = opening.events;
  std::optional<DeliveryOutcome> failure = co_await connection->open(std::move(opening));
  if (failure) {
    tls_problem = connection->tls_problem();
    std::erase(open_, connection.get());
    claims_.erase(connection.get());
    const std::unique_ptr<SmtpConnection> closed = std::move(connection);
    if (closed->is_connected()) co_await tell(events, "tcp:close", closed->remote());
  }
  co_return failure;
}

Task<bool> Destination::is_serialized(const Candidate& candidate) const {
  if (transport_.serialize == nullptr) co_return false;
  acl::EvalContext evaluation;
  evaluation.services = table_.services_.evaluators;
  evaluation.server = &table_.services_.server;
  const auto ask = [this, &candidate, &evaluation] {
    return SmtpTransport::matches(transport_.serialize, candidate.host->name,
                                  candidate.endpoint.address, evaluation);
  };
  co_return co_await on_fiber(ask);
}

// What socks_proxy says, in the order of trying.
std::vector<SocksProxy> Destination::proxies_of(acl::EvalContext& evaluation,
                                                std::string& problem) const {
  const acl::EvalResult list = transport_.socks_proxy().evaluate(evaluation);
  if (list.status == acl::EvalStatus::forced_fail) return {};
  if (!list.ok()) {
    problem = "failed to expand socks_proxy: " + list.text;
    return {};
  }
  Result<std::vector<SocksProxy>> proxies = parse_socks_proxies(list.text);
  if (!proxies) {
    problem = "socks_proxy: " + proxies.error().detail();
    return {};
  }
  order_socks_proxies(*proxies, table_.services_.random);
  return std::move(*proxies);
}

// What DANE asks of a host; nothing where nobody can ask DNS, or nobody wants to know.
Task<DanePlan> Destination::ask_dane(const Candidate& candidate) {
  DaneFinder* finder = table_.services_.dane;
  if (finder == nullptr) co_return DanePlan();
  acl::EvalContext evaluation;
  evaluation.services = table_.services_.evaluators;
  evaluation.server = &table_.services_.server;
  const auto ask = [this, &candidate, &evaluation] {
    const auto matches = [&](const std::shared_ptr<const acl::ListPattern>& list) {
      return SmtpTransport::matches(list, candidate.host->name, candidate.endpoint.address,
                                    evaluation);
    };
    return std::pair(matches(transport_.tls().try_dane), matches(transport_.tls().require_dane));
  };
  const auto [tries, requires_dane] = co_await on_fiber(ask);
  if (!tries && !requires_dane) co_return DanePlan();
  DaneAnswer answer;
  if (candidate.host->secure)
    answer = co_await finder->find(
        candidate.host->name,
        candidate.host->initial_name.empty() ? candidate.host->name : candidate.host->initial_name,
        candidate.endpoint.port);
  DanePlan plan = dane_policy(tries, requires_dane, candidate.host->name, std::move(answer));
  if (plan.use == DanePlan::Use::no && !plan.problem.empty())
    table_.services_.log.main(LogEvent::note, "", plan.problem);
  co_return plan;
}

DeliveryOutcome Destination::not_now(const Candidate& candidate, std::string why) const {
  DeliveryOutcome out;
  auto remote = std::make_shared<RemoteInfo>();
  remote->host_name = candidate.host->name;
  remote->endpoint = candidate.endpoint;
  out.remote = std::move(remote);
  out.scope = FailureScope::host;
  out.error_number = kErrorTlsFailure;
  out.text = std::move(why);
  return out;
}

// The first address of `interface` that has the family of `to`.
std::optional<IpAddress> Destination::local_address(const IpAddress& to,
                                                    acl::EvalContext& evaluation) const {
  const acl::EvalResult list = transport_.interface().evaluate(evaluation);
  if (!list.ok()) return std::nullopt;
  for (const std::string& item : config::split_list(list.text)) {
    const Result<IpAddress> address = IpAddress::parse(item);
    if (address && address->is_v6() == to.is_v6()) return *address;
  }
  return std::nullopt;
}

}  // namespace godwit::delivery
