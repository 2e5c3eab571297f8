// What the drivers that find hosts have in common.
#pragma once

#include "delivery/route/router.h"

#include <string_view>

namespace godwit::delivery {

// ignore_target_hosts and the DNSSEC lists of `router`, for the address of `context`.
FindOptions find_options(const Router& router, RouteContext& context);

// What `self` makes of an address whose first host is this one; `routed` for send.
DriverResult self_result(const Router& router, bool by_mx);

// "0", "no", "false" and nothing are false, whatever else is true; so is a forced failure false.
// An expansion that fails sets `problem`.
bool is_switched_on(const acl::Expansion& option, acl::EvalContext& context, std::string& problem);

}  // namespace godwit::delivery
