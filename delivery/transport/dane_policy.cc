#include "delivery/transport/dane_policy.h"

#include <utility>

namespace godwit::delivery {

DanePlan dane_policy(bool tries, bool requires_dane, const std::string& host_name,
                     DaneAnswer answer) {
  DanePlan plan;
  plan.is_required = requires_dane;
  if (!tries && !requires_dane) return plan;
  const DanePlan::Use without = requires_dane ? DanePlan::Use::defer : DanePlan::Use::no;
  switch (answer.kind) {
    case DaneAnswer::Kind::host_not_secure:
      plan.use = without;
      if (requires_dane) plan.problem = "DANE error: " + host_name + " lookup not DNSSEC";
      return plan;
    case DaneAnswer::Kind::none:
      plan.use = without;
      if (requires_dane) plan.problem = "DANE error: tlsa lookup FAIL";
      return plan;
    case DaneAnswer::Kind::not_secure:
      plan.use = without;
      plan.problem = "DANE error: TLSA lookup for " + host_name + " not DNSSEC";
      return plan;
    case DaneAnswer::Kind::temporary:
      plan.use = DanePlan::Use::defer;
      plan.problem = "DANE error: tlsa lookup DEFER";
      return plan;
    case DaneAnswer::Kind::failed:
      plan.use = DanePlan::Use::defer;
      plan.problem = "DANE error: tlsa lookup FAIL";
      return plan;
    case DaneAnswer::Kind::found:
      break;
  }
  plan.judged = tls::judge_tlsa(answer.records);
  plan.base_name = answer.base_name.empty() ? host_name : std::move(answer.base_name);
  if (!plan.judged.has_records) {
    plan.use = without;
    if (requires_dane) plan.problem = "DANE error: tlsa lookup FAIL";
  } else if (!plan.judged.is_encrypt_only()) {
    plan.use = DanePlan::Use::verify;
  } else if (requires_dane) {
    plan.use = DanePlan::Use::defer;
    plan.problem = "DANE error: No usable TLSA records";
  } else {
    plan.use = DanePlan::Use::encrypt_only;
  }
  return plan;
}

}  // namespace godwit::delivery
