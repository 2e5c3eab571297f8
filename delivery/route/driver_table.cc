#include "delivery/route/driver_table.h"

#include <array>

namespace godwit::delivery {
namespace {

// clang-format off
constexpr std::array kRows{
    //              name            make                       documentation
    RouterDriverRow{"accept",       &make_accept_router,       "takes every address that its preconditions let through"},
    RouterDriverRow{"dnslookup",    &make_dnslookup_router,    "finds hosts in the DNS",                         &dnslookup_options},
    RouterDriverRow{"ipliteral",    &make_ipliteral_router,    "routes domains that are address literals"},
    RouterDriverRow{"iplookup",     nullptr,                   "asks a host how to route"},
    RouterDriverRow{"manualroute",  &make_manualroute_router,  "hosts from a list in the configuration", &manualroute_options},
    RouterDriverRow{"queryprogram", &make_queryprogram_router, "asks a program how to route",                &queryprogram_options},
    RouterDriverRow{"redirect",     &make_redirect_router,     "aliases and forwarding",                        &redirect_options},
};
// clang-format on

}  // namespace

std::span<const RouterDriverRow> router_driver_rows() noexcept {
  return kRows;
}

}  // namespace godwit::delivery
