// The makers of router drivers, each in the file of its driver.
#pragma once

#include "delivery/route/router.h"

namespace godwit::delivery {

std::unique_ptr<RouterDriver> make_accept_router(const config::Instance& instance,
                                                 config::OptionBinding& generic,
                                                 const RouterCompileContext& context);
std::unique_ptr<RouterDriver> make_dnslookup_router(const config::Instance& instance,
                                                    config::OptionBinding& generic,
                                                    const RouterCompileContext& context);
std::unique_ptr<config::OptionBinding> dnslookup_options();
std::unique_ptr<RouterDriver> make_ipliteral_router(const config::Instance& instance,
                                                    config::OptionBinding& generic,
                                                    const RouterCompileContext& context);
std::unique_ptr<RouterDriver> make_manualroute_router(const config::Instance& instance,
                                                      config::OptionBinding& generic,
                                                      const RouterCompileContext& context);
std::unique_ptr<config::OptionBinding> manualroute_options();
std::unique_ptr<RouterDriver> make_queryprogram_router(const config::Instance& instance,
                                                       config::OptionBinding& generic,
                                                       const RouterCompileContext& context);
std::unique_ptr<config::OptionBinding> queryprogram_options();
std::unique_ptr<RouterDriver> make_redirect_router(const config::Instance& instance,
                                                   config::OptionBinding& generic,
                                                   const RouterCompileContext& context);
std::unique_ptr<config::OptionBinding> redirect_options();
// What a redirect router makes of `list`, without files and pipes.
DriverResult redirect_to(std::string_view list, std::shared_ptr<const rewrite::RewriteRules> rules,
                         const Router& router, RouteContext& context);

}  // namespace godwit::delivery
