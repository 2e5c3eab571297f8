// Takes an address through the routers: preconditions, properties, the driver, and what its answer
// means (EXIM.md 2.7).
#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "delivery/route/route_run.h"

#include <utility>

namespace godwit::delivery {
namespace {

constexpr int kRoutersPerAddressMax = 1000;

constexpr std::string_view name_of(DriverStatus status) noexcept {
  switch (status) {
    case DriverStatus::routed:
      return "accepted";
    case DriverStatus::redirected:
      return "redirected";
    case DriverStatus::discard:
      return "discarded";
    case DriverStatus::decline:
      return "declined";
    case DriverStatus::pass:
      return "passed";
    case DriverStatus::fail:
      return "failed";
    case DriverStatus::defer:
      return "deferred";
    case DriverStatus::freeze:
      return "frozen";
    case DriverStatus::reroute:
      return "rerouted";
  }
  return "";
}

}  // namespace

bool Router::requests_dnssec(std::string_view domain, acl::EvalContext& context) const {
  return dnssec_request_ != nullptr &&
         dnssec_request_->match({domain, std::nullopt, {}}, context).match == acl::Match::yes;
}

bool Router::requires_dnssec(std::string_view domain, acl::EvalContext& context) const {
  return dnssec_require_ != nullptr &&
         dnssec_require_->match({domain, std::nullopt, {}}, context).match == acl::Match::yes;
}

namespace {

// fail_verify_...: what this router takes is no good address.
bool fails_verification(const RouterOptions& options, RoutePurpose purpose) noexcept {
  if (purpose == RoutePurpose::verify_recipient)
    return options.fail_verify || options.fail_verify_recipient;
  if (purpose == RoutePurpose::verify_sender)
    return options.fail_verify || options.fail_verify_sender;
  return false;
}

}  // namespace

RouteResult RouterChain::route(const RouteQuery& query, HostFinder& hosts) const {
  std::vector<RouterNotice> notices;
  if (query.trace == nullptr) {
    RouteResult result = walk(query, hosts, notices);
    result.notices = std::move(notices);
    return result;
  }
  const std::string asked = query.local_part + "@" + query.domain;
  query.trace->event({acl::TraceKind::address_begin, {}, asked, {}, {}});
  RouteResult result = walk(query, hosts, notices);
  result.notices = std::move(notices);
  query.trace->event({acl::TraceKind::address_end, {}, asked, describe(result), {}});
  return result;
}

// The decision in one line: "transport smtp, hosts mx.test [192.0.2.1] MX=10".
std::string RouterChain::describe(const RouteResult& result) const {
  switch (result.status) {
    case RouteStatus::routed:
      break;
    case RouteStatus::redirected: {
      std::string out = "redirected to ";
      for (const GeneratedAddress& child : result.children)
        out += (&child == &result.children.front() ? "" : ", ") + child.text;
      return out;
    }
    case RouteStatus::discarded:
      return "discarded";
    case RouteStatus::failed:
      return "undeliverable: " + result.message;
    case RouteStatus::deferred:
      return "deferred: " + result.message;
    case RouteStatus::frozen:
      return "frozen: " + result.message;
  }
  std::string out = "no transport";
  for (const auto& [name, index] : transports_) {
    if (index == result.transport) out = "transport " + name;
  }
  if (result.hosts == nullptr) return out;
  std::string_view before = ", hosts ";
  for (const RouteHost& host : result.hosts->hosts) {
    out += std::string(before) + host.name;
    for (const IpAddress& address : host.addresses) out += " [" + address.to_string() + "]";
    if (host.from_mx) out += " MX=" + std::to_string(host.mx_preference);
    if (host.port != 0) out += " port=" + std::to_string(host.port);
    before = ", ";
  }
  return out;
}

RouteResult RouterChain::walk(const RouteQuery& query, HostFinder& hosts,
                              std::vector<RouterNotice>& notices) const {
  RouteRun run(query, hosts, *this, transports_);
  std::string unrouteable = "Unrouteable address";
  std::string declined;  // why the last router that said so did not take it
  int steps = 0;
  for (size_t at = static_cast<size_t>(query.start_router);
       at < routers_.size() && steps < kRoutersPerAddressMax; ++steps) {
    const Router& router = *routers_[at];
    run.trace_begin(router);
    RouteRun::Precondition found = run.preconditions(router);
    if (found == RouteRun::Precondition::skip) {
      run.trace(router, "skipped");
      ++at;
      continue;
    }
    if (found == RouteRun::Precondition::pass) found = run.set_properties(router);
    if (found == RouteRun::Precondition::defer) {
      run.trace(router, "deferred", run.result.message);
      run.finish_unsuccessful(&router, RouteStatus::deferred, std::move(run.result.message));
      return std::move(run.result);
    }
    DriverResult driven;
    if (found == RouteRun::Precondition::pass) driven = run.drive(router);
    run.trace(router, name_of(driven.status), driven.message);
    if (driven.notice) notices.push_back(std::move(*driven.notice));
    if (driven.status == DriverStatus::pass) {
      run.set_self_hostname(std::move(driven.self_hostname));
      at = router.pass_router_ >= 0 ? static_cast<size_t>(router.pass_router_) : at + 1;
      continue;
    }
    if (driven.status != DriverStatus::decline) {
      finish(run, router, at, query, std::move(driven));
      return std::move(run.result);
    }
    if (!driven.message.empty()) declined = std::move(driven.message);
    unrouteable = run.unrouteable(router, declined);
    if (!run.goes_on(router)) break;
    ++at;
  }
  run.finish_unsuccessful(nullptr, RouteStatus::failed, std::move(unrouteable));
  return std::move(run.result);
}

void RouterChain::finish(RouteRun& run, const Router& router, size_t at, const RouteQuery& query,
                         DriverResult driven) const {
  run.result.message_is_for_user = driven.message_is_for_user;
  switch (driven.status) {
    case DriverStatus::fail:
      run.finish_unsuccessful(&router, RouteStatus::failed,
                              driven.message_is_for_user ? std::move(driven.message)
                                                         : run.unrouteable(router, driven.message));
      return;
    case DriverStatus::defer:
      run.finish_unsuccessful(&router, RouteStatus::deferred, std::move(driven.message));
      return;
    case DriverStatus::freeze:
      run.finish_unsuccessful(&router, RouteStatus::frozen, std::move(driven.message));
      return;
    case DriverStatus::reroute:
      run.finish_rerouted(router, driven);
      return;
    default:
      break;
  }
  if (fails_verification(router.options(), query.purpose)) {
    run.finish_unsuccessful(&router, RouteStatus::failed,
                            router.name() + " router forced verify failure");
    return;
  }
  bool copy = false;
  if (!run.wants_copy(router, copy)) return;
  if (driven.status == DriverStatus::routed) {
    run.finish_routed(router, std::move(driven));
  } else {
    run.finish_redirected(router, std::move(driven));
  }
  if (copy && at + 1 < routers_.size()) run.result.copy_starts = static_cast<int>(at + 1);
}

}  // namespace godwit::delivery
