// The dnslookup router: the hosts of a domain from SRV, MX and address records (RFC 5321 5.1,
// RFC 7505). How hosts are found is HostFinder's; here is which domain is looked for, and what an
// answer means for the address.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/route/driver_common.h"
#include "delivery/route/driver_table.h"
#include "dns/idna.h"

#include <algorithm>
#include <array>

namespace godwit::delivery {
namespace {

struct DnslookupOptions {
  bool check_secondary_mx = false;
  config::ExpandText check_srv;
  config::DomainListText fail_defer_domains;
  config::ExpandText ipv4_only;
  config::ExpandText ipv4_prefer;
  config::DomainListText mx_domains;
  config::DomainListText mx_fail_domains;
  bool qualify_single = true;
  bool rewrite_headers = true;
  bool same_domain_copy_routing = false;
  bool search_parents = false;
  config::DomainListText srv_fail_domains;
  config::PlainList widen_domains;
};

using config::Effect;
using Options = DnslookupOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<DnslookupOptions>>({
    {"check_secondary_mx",       &Options::check_secondary_mx,       "false", Effect::now,   "decline unless this host is among the less preferred exchangers"},
    {"check_srv",                &Options::check_srv,                "",      Effect::now,   "service whose SRV records come before MX records"},
    {"fail_defer_domains",       &Options::fail_defer_domains,       "",      Effect::now,   "domains that wait where nothing is found"},
    {"ipv4_only",                &Options::ipv4_only,                "",      Effect::now,   "ask for A records only"},
    {"ipv4_prefer",              &Options::ipv4_prefer,              "",      Effect::now,   "IPv4 addresses before IPv6 ones"},
    {"mx_domains",               &Options::mx_domains,               "",      Effect::now,   "domains that must have MX or SRV records"},
    {"mx_fail_domains",          &Options::mx_fail_domains,          "",      Effect::now,   "domains for which an MX error means: no MX"},
    {"qualify_single",           &Options::qualify_single,           "true",  Effect::now,   "complete a domain of one label by the system's domain"},
    {"rewrite_headers",          &Options::rewrite_headers,          "true",  Effect::now,   "put a completed domain into header lines"},
    {"same_domain_copy_routing", &Options::same_domain_copy_routing, "false", Effect::now,   "route a domain once for all recipients of a message"},
    {"search_parents",           &Options::search_parents,           "false", Effect::now,   "complete a domain with dots by the system's search list"},
    {"srv_fail_domains",         &Options::srv_fail_domains,         "",      Effect::now,   "domains for which an SRV error means: no SRV"},
    {"widen_domains",            &Options::widen_domains,            "",      Effect::now,   "endings to try where the domain has no hosts"},
});
// clang-format on

class DnslookupRouter final : public RouterDriver {
 public:
  DnslookupOptions options;
  acl::Expansion srv_service;
  acl::Expansion v4_only;
  acl::Expansion v4_first;
  std::shared_ptr<const acl::ListPattern> fail_defer_domains;
  std::shared_ptr<const acl::ListPattern> mx_domains;
  std::shared_ptr<const acl::ListPattern> mx_fail_domains;
  std::shared_ptr<const acl::ListPattern> srv_fail_domains;

  bool copies_same_domain() const noexcept override { return options.same_domain_copy_routing; }

  DriverResult route(const Router& router, RouteContext& context) const override {
    DriverResult result;
    const std::string& domain = context.address.domain;
    // A literal is ipliteral's, and what is no domain is nobody's.
    const Result<std::string> ascii = dns::to_a_labels(domain);
    if (domain.starts_with('['))
      result.message = "mail domain \"" + domain + "\" is syntactically invalid";
    if (!ascii || domain.starts_with('[')) return result;
    FindOptions wanted = find_options(router, context);
    std::string problem;
    read_options(context, wanted, problem);
    if (!problem.empty())
      return defer(std::move(result),
                   "failed to expand an option of router " + router.name() + ": " + problem);
    FoundHosts found;
    std::string full_name = *ascii;
    for (const std::string& name : candidates(*ascii, context)) {
      full_name = name;
      wanted.addresses = !is_in(mx_domains, name, context);
      found = context.hosts.find_hosts(name, wanted, context.evaluation);
      if (found.status != FindStatus::none) break;
    }
    if (found.status == FindStatus::none) return not_found(domain, std::move(found), context);
    return judge(router, std::move(found), full_name == *ascii ? domain : full_name, context);
  }

 private:
  static DriverResult defer(DriverResult result, std::string message) {
    result.status = DriverStatus::defer;
    result.message = std::move(message);
    return result;
  }
  static bool is_in(const std::shared_ptr<const acl::ListPattern>& list, std::string_view domain,
                    RouteContext& context) {
    return list != nullptr &&
           list->match({domain, std::nullopt, {}}, context.evaluation).match == acl::Match::yes;
  }

  void read_options(RouteContext& context, FindOptions& wanted, std::string& problem) const {
    wanted.v4_only = is_switched_on(v4_only, context.evaluation, problem);
    wanted.v4_first = is_switched_on(v4_first, context.evaluation, problem);
    wanted.mx_fail_domains = mx_fail_domains.get();
    wanted.srv_fail_domains = srv_fail_domains.get();
    const acl::EvalResult service = srv_service.evaluate(context.evaluation);
    if (service.ok()) wanted.srv_service = service.text;
    if (!service.ok() && service.status != acl::EvalStatus::forced_fail) problem = service.text;
  }

  // The names under which the domain may be known, as the system's resolver would try them, then
  // the widened ones.
  std::vector<std::string> candidates(const std::string& domain, RouteContext& context) const {
    std::vector<std::string> out =
        context.hosts.full_names(domain, options.qualify_single, options.search_parents);
    for (const std::string& ending : options.widen_domains) out.push_back(domain + "." + ending);
    return out;
  }

  DriverResult not_found(const std::string& domain, FoundHosts found, RouteContext& context) const {
    DriverResult result;
    if (is_in(fail_defer_domains, domain, context))
      return defer(std::move(result),
                   "missing MX, or all MXs point to missing A records, and defer requested");
    result.message = std::move(found.message);
    return result;  // declines
  }

  DriverResult judge(const Router& router, FoundHosts found, const std::string& full_name,
                     RouteContext& context) const {
    DriverResult result;
    if (found.status == FindStatus::again || found.status == FindStatus::insecure) {
      result = defer(std::move(result), found.status == FindStatus::insecure
                                            ? "host lookup done insecurely"
                                            : "host lookup did not complete");
      if (router.options().pass_on_timeout && found.status == FindStatus::again)
        result.status = DriverStatus::pass;
      return result;
    }
    if (found.status == FindStatus::found_local) {
      result = self_result(router, found.from_records);
      if (result.status != DriverStatus::routed) return result;
    } else if (options.check_secondary_mx && !found.removed_local) {
      return result;  // declines
    }
    if (full_name != context.address.domain) {
      result.status = DriverStatus::reroute;
      result.new_domain = full_name;
      result.rewrites_headers = options.rewrite_headers;
      return result;
    }
    auto list = std::make_shared<HostList>();
    list->hosts = std::move(found.hosts);
    list->has_self = found.removed_local;
    list->randomize = true;  // hosts of one preference
    set_key(*list);
    result.status = DriverStatus::routed;
    result.message.clear();
    result.hosts = std::move(list);
    return result;
  }
};

}  // namespace

std::unique_ptr<config::OptionBinding> dnslookup_options() {
  return std::make_unique<config::OwnOptions<DnslookupOptions>>(kRows);
}

std::unique_ptr<RouterDriver> make_dnslookup_router(const config::Instance& instance,
                                                    config::OptionBinding& generic,
                                                    const RouterCompileContext& context) {
  auto driver = std::make_unique<DnslookupRouter>();
  config::OptionTarget<DnslookupOptions> own(kRows, driver->options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "dnslookup router");
  const acl::CompileOptions strings{&context.lists, false};
  const auto expansion = [&](const config::ConfigText& text) {
    if (!text.is_set) return acl::Expansion();
    return acl::compile_expansion(text.text, strings, context.diagnostics)
        .value_or(acl::Expansion());
  };
  const auto list = [&](const config::ConfigText& text) {
    if (!text.is_set) return std::shared_ptr<const acl::ListPattern>();
    return context.lists.compile(config::ListKind::domain, text.text, acl::ListOptions{},
                                 context.diagnostics);
  };
  driver->srv_service = expansion(driver->options.check_srv);
  driver->v4_only = expansion(driver->options.ipv4_only);
  driver->v4_first = expansion(driver->options.ipv4_prefer);
  driver->fail_defer_domains = list(driver->options.fail_defer_domains);
  driver->mx_domains = list(driver->options.mx_domains);
  driver->mx_fail_domains = list(driver->options.mx_fail_domains);
  driver->srv_fail_domains = list(driver->options.srv_fail_domains);
  return driver;
}

}  // namespace godwit::delivery
