#include "delivery/transport/smtp_opener.h"

#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "delivery/transport/host_scene.h"

#include <utility>

namespace godwit::delivery {
DeliveryOutcome host_not_now(const SmtpHost& host, std::string why) {
  DeliveryOutcome out;
  auto remote = std::make_shared<RemoteInfo>();
  remote->host_name = host.name;
  remote->endpoint = host.endpoint;
  out.remote = std::move(remote);
  out.scope = FailureScope::host;
  out.error_number = kErrorTlsFailure;
  out.text = std::move(why);
  return out;
}

Task<PreparedOpening> SmtpOpener::prepare(const SmtpHost& host, SmtpUse use,
                                          acl::EvalContext* message) const {
  PreparedOpening out;
  const DanePlan dane = co_await ask_dane(host, message);
  if (dane.use == DanePlan::Use::defer) {
    out.failure = host_not_now(host, dane.problem);
    out.dane_failure = dane.is_required ? "dane-required" : "dnssec-invalid";
    co_return out;
  }
  auto asking = [this, &host, &dane, use, message] { return ask(host, dane, use, message); };
  out = co_await on_fiber(asking);
  if (out.failure) co_return out;
  TlsPlan& tls = out.opening.tls;
  if (tls.problem.empty() && tls.attempts) {
    auto context = co_await services_.tls.client(tls.settings);
    if (context) {
      tls.context = *context;
    } else {
      tls.problem = "TLS session: " + context.error().detail();
    }
  }
  if (!tls.problem.empty()) out.failure = host_not_now(host, tls.problem);
  tls.session.sessions = &services_.tls_sessions;
  co_return out;
}

SmtpOpening SmtpOpener::in_clear(SmtpOpening opening, const SmtpHost& host,
                                 const std::string& why) const {
  services_.log.main(LogEvent::deferral, "",
                     why + ": delivering unencrypted to H=" + host.name + " [" +
                         host.endpoint.address.to_string() + "] (not in hosts_require_tls)");
  opening.tls = TlsPlan();
  return opening;
}

// What lists and expressions say of a host. On a fiber.
PreparedOpening SmtpOpener::ask(const SmtpHost& host, const DanePlan& dane, SmtpUse use,
                                acl::EvalContext* message) const {
  HostScene scene(services_, host.name, host.endpoint);
  acl::EvalContext& evaluation = message != nullptr ? *message : scene.evaluation;
  const IpAddress& ip = host.endpoint.address;
  const auto matches = [&](const std::shared_ptr<const acl::ListPattern>& list) {
    return SmtpTransport::matches(list, host.name, ip, evaluation);
  };
  PreparedOpening prepared;
  SmtpOpening& out = prepared.opening;
  if (!names_itself_late(transport_)) {
    Result<std::string> helo =
        helo_of(transport_.helo_data().evaluate(evaluation), services_.server.primary_hostname);
    if (!helo) {
      prepared.failure = host_not_now(host, helo.error().detail());
      prepared.failure->error_number = kErrorExpansion;
      return prepared;
    }
    out.helo_name = std::move(*helo);
  }
  const Result<std::optional<IpAddress>> from = transport_.local_address(ip, evaluation);
  if (!from) {
    prepared.failure = host_not_now(host, from.error().detail());
    prepared.failure->error_number = kErrorUnknown;
    prepared.failure->scope = FailureScope::none;
    prepared.failure->remote = nullptr;  // it is not about the host
    return prepared;
  }
  out.from = *from;
  out.pipelining = !matches(transport_.avoid_pipelining);
  out.esmtp = !matches(transport_.avoid_esmtp);
  out.chunking = matches(transport_.try_chunking);
  out.fast_open = may_fast_open() && matches(transport_.try_fast_open);
  out.prdr = matches(transport_.try_prdr);
  out.secure = host.is_secure;
  if (services_.hints != nullptr && use == SmtpUse::deliver && matches(transport_.pipe_connect))
    out.memory.emplace(*services_.hints, services_.options.retry_data_expire, host.endpoint,
                       out.from);
  const TlsTarget target{host.name,
                         ip,
                         dane,
                         services_.options.openssl_options,
                         evaluation.now,
                         use,
                         host.initial_name,
                         host.domains,
                         host.is_secure};
  out.tls = transport_.tls().plan(target, evaluation);
  if (out.helo_name.empty() || !out.tls.session.session_key.empty())
    out.late =
        std::make_shared<LateOptions>(services_, transport_, host.name, host.endpoint, message);
  out.proxies = proxies_of(evaluation, out.tls.problem);
  return prepared;
}

// What socks_proxy says, in the order of trying.
std::vector<SocksProxy> SmtpOpener::proxies_of(acl::EvalContext& evaluation,
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
  order_socks_proxies(*proxies, services_.random);
  return std::move(*proxies);
}

// What DANE asks of a host; nothing where nobody can ask DNS, or nobody wants to know.
Task<DanePlan> SmtpOpener::ask_dane(const SmtpHost& host, acl::EvalContext* message) const {
  if (services_.dane == nullptr) co_return DanePlan();
  HostScene scene(services_, host.name, host.endpoint);
  acl::EvalContext& evaluation = message != nullptr ? *message : scene.evaluation;
  std::string problem;
  const auto asking = [this, &host, &evaluation, &problem] {
    const auto demands = [&](const std::shared_ptr<const acl::ListPattern>& list,
                             std::string_view option) {
      return SmtpTransport::demands(list, option, {host.name, host.endpoint.address}, evaluation,
                                    problem);
    };
    const bool tries_it = demands(transport_.tls().try_dane, "hosts_try_dane");
    return std::pair(tries_it, demands(transport_.tls().require_dane, "hosts_require_dane"));
  };
  const auto [tries, requires_dane] = co_await on_fiber(asking);
  if (!problem.empty()) co_return DanePlan{.use = DanePlan::Use::defer, .problem = problem};
  if (!tries && !requires_dane) co_return DanePlan();
  DaneAnswer answer;
  if (host.is_secure) {
    const std::string& initial = host.initial_name.empty() ? host.name : host.initial_name;
    answer = co_await services_.dane->find(host.name, initial, host.endpoint.port);
  } else if (host.is_secure_alias) {
    answer =
        co_await services_.dane->find(host.initial_name, host.initial_name, host.endpoint.port);
  }
  DanePlan plan = dane_policy(tries, requires_dane, host.name, std::move(answer));
  if (plan.use == DanePlan::Use::no && !plan.problem.empty())
    services_.log.main(LogEvent::note, "", plan.problem);
  co_return plan;
}

}  // namespace godwit::delivery
