#include "delivery/route/driver_common.h"

#include "core/base/ascii.h"

namespace godwit::delivery {

FindOptions find_options(const Router& router, RouteContext& context) {
  FindOptions out;
  out.ignored = router.ignore_target_hosts();
  out.dnssec_required = router.requires_dnssec(context.address.domain, context.evaluation);
  out.dnssec_requested =
      out.dnssec_required || router.requests_dnssec(context.address.domain, context.evaluation);
  return out;
}

DriverResult self_result(const Router& router, bool by_mx) {
  DriverResult result;
  result.message = by_mx ? "lowest numbered MX record points to local host"
                         : "remote host address is the local host";
  switch (router.self()) {
    case SelfAction::freeze:
      result.status = DriverStatus::freeze;
      break;
    case SelfAction::defer:
      result.status = DriverStatus::defer;
      break;
    case SelfAction::fail:
      result.status = DriverStatus::fail;
      break;
    case SelfAction::send:
      result.status = DriverStatus::routed;
      break;
    case SelfAction::pass:
      result.status = DriverStatus::pass;
      break;
    case SelfAction::reroute:
      result.status = DriverStatus::reroute;
      result.new_domain = router.self_domain();
      result.rewrites_headers = router.self_rewrites();
      break;
  }
  return result;
}

bool is_switched_on(const acl::Expansion& option, acl::EvalContext& context, std::string& problem) {
  const acl::EvalResult value = option.evaluate(context);
  if (value.status == acl::EvalStatus::forced_fail) return false;
  if (!value.ok()) {
    problem = value.text;
    return false;
  }
  for (std::string_view off : {"", "0", "no", "false"}) {
    if (equals_ignore_case(value.text, off)) return false;
  }
  return true;
}

}  // namespace godwit::delivery
