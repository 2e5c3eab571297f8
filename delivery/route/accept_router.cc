// The accept router: no options of its own; whoever passes the preconditions is routed.
#include "delivery/route/driver_table.h"

namespace godwit::delivery {
namespace {

class AcceptRouter final : public RouterDriver {
 public:
  DriverResult route(const Router&, RouteContext&) const override {
    DriverResult result;
    result.status = DriverStatus::routed;
    return result;
  }
};

}  // namespace

std::unique_ptr<RouterDriver> make_accept_router(const config::Instance& instance,
                                                 config::OptionBinding& generic,
                                                 const RouterCompileContext& context) {
  config::apply_settings(instance.settings, {&generic}, context.diagnostics, "accept router");
  return std::make_unique<AcceptRouter>();
}

}  // namespace godwit::delivery
