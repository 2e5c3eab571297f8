// Compiles routers from their section of the configuration (EXIM.md 2.7).
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/route/router.h"

#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

struct SelfRow {
  std::string_view name;
  SelfAction action;
};
constexpr std::array kSelfRows{
    SelfRow{"freeze", SelfAction::freeze}, SelfRow{"defer", SelfAction::defer},
    SelfRow{"fail", SelfAction::fail},     SelfRow{"send", SelfAction::send},
    SelfRow{"pass", SelfAction::pass},
};

}  // namespace

struct RouterCompiler {
  const RouterCompileContext& context;
  Router& router;

  acl::Expansion expansion(const config::ConfigText& text) const {
    if (!text.is_set) return {};
    const acl::CompileOptions options{&context.lists, false};
    return acl::compile_expansion(text.text, options, context.diagnostics)
        .value_or(acl::Expansion());
  }
  std::shared_ptr<const acl::ListPattern> list(config::ListKind kind,
                                               const config::ConfigText& text,
                                               bool caseful = false) const {
    if (!text.is_set) return nullptr;
    const acl::ListOptions list_options{.caseful = caseful};
    return context.lists.compile(kind, text.text, list_options, context.diagnostics);
  }

  void compile(const config::Instance& instance) {
    const RouterOptions& options = router.options_;
    router.domains_ = list(config::ListKind::domain, options.domains);
    router.local_parts_ =
        list(config::ListKind::local_part, options.local_parts, options.caseful_local_part);
    router.senders_ = list(config::ListKind::address, options.senders);
    router.ignore_target_hosts_ = list(config::ListKind::host, options.ignore_target_hosts);
    router.dnssec_request_ = list(config::ListKind::domain, options.dnssec_request_domains);
    router.dnssec_require_ = list(config::ListKind::domain, options.dnssec_require_domains);
    for (const config::ExpandText& condition : options.condition)
      router.conditions_.push_back(expansion(condition));
    for (const config::ExpandText& header : options.headers_add)
      router.headers_add_.push_back(expansion(header));
    for (const config::ExpandText& header : options.headers_remove)
      router.headers_remove_.push_back(expansion(header));
    compile_variables();
    router.debug_print_ = expansion(options.debug_print);
    router.more_ = expansion(options.more);
    router.unseen_ = expansion(options.unseen);
    router.require_files_ = expansion(options.require_files);
    router.router_home_ = expansion(options.router_home_directory);
    router.transport_home_ = expansion(options.transport_home_directory);
    router.transport_directory_ = expansion(options.transport_current_directory);
    router.user_ = expansion(options.user);
    router.group_ = expansion(options.group);
    router.address_data_ = expansion(options.address_data);
    router.errors_to_ = expansion(options.errors_to);
    router.cannot_route_message_ = expansion(options.cannot_route_message);
    router.translate_ip_address_ = expansion(options.translate_ip_address);
    compile_transport(instance);
    compile_self(instance);
  }

  // Each value of `set` is a list "name = value ; name = value".
  void compile_variables() const {
    for (const config::ExpandText& option : router.options_.set) {
      for (const config::LocatedText& item : split_variables(option.text)) {
        const size_t equals = item.view().find('=');
        const std::string_view name = trim(item.view().substr(0, equals));
        if (equals == std::string_view::npos || !name.starts_with("r_") || name.size() < 3) {
          context.diagnostics.error(item.begin_place(),
                                    "\"" + std::string(name) + "\" is no router variable",
                                    "set = r_name = value");
          continue;
        }
        const acl::CompileOptions options{&context.lists, false};
        acl::Expansion value =
            acl::compile_expansion(item.substr(equals + 1).trimmed(), options, context.diagnostics)
                .value_or(acl::Expansion());
        router.variables_.push_back({std::string(name), std::move(value)});
      }
    }
  }

  // The separator is a semicolon unless the list says otherwise.
  static std::vector<config::LocatedText> split_variables(const config::LocatedText& text) {
    size_t start = 0;
    char separator = config::list_separator(text.view(), start);
    if (start == 0) separator = ';';
    std::vector<config::LocatedText> out;
    for (size_t at = start; at <= text.view().size();) {
      size_t end = text.view().find(separator, at);
      if (end == std::string_view::npos) end = text.view().size();
      const config::LocatedText item = text.substr(at, end - at).trimmed();
      if (!item.view().empty()) out.push_back(item);
      at = end + 1;
    }
    return out;
  }

  void compile_transport(const config::Instance& instance) {
    router.transport_ = expansion(router.options_.transport);
    if (!router.options_.transport.is_set) {
      if (router.driver_->needs_transport() && !router.options_.verify_only) {
        context.diagnostics.error(instance.place,
                                  "router \"" + router.name_ + "\" names no transport",
                                  "add \"transport = <name>\"");
      }
      return;
    }
    if (!router.transport_.is_constant()) return;
    router.transport_index_ = context.transports.find(router.transport_.constant());
    if (router.transport_index_ >= 0) return;
    context.diagnostics.error(
        router.options_.transport.text.begin_place(),
        "there is no transport \"" + std::string(router.transport_.constant()) + "\"",
        config::did_you_mean(router.transport_.constant(), context.transports.all()));
  }
  void compile_self(const config::Instance& instance) {
    constexpr std::string_view kReroute = "reroute:";
    constexpr std::string_view kRewrite = "rewrite:";
    if (router.options_.self.starts_with(kReroute)) {
      std::string_view domain =
          trim(std::string_view(router.options_.self).substr(kReroute.size()));
      router.self_rewrites_ = domain.starts_with(kRewrite);
      if (router.self_rewrites_) domain = trim(domain.substr(kRewrite.size()));
      if (!domain.empty()) {
        router.self_ = SelfAction::reroute;
        router.self_domain_ = to_lower(domain);
        return;
      }
    }
    for (const SelfRow& row : kSelfRows) {
      if (row.name != router.options_.self) continue;
      router.self_ = row.action;
      return;
    }
    const config::Setting* setting = instance.find("self");
    context.diagnostics.error(setting == nullptr ? instance.place : setting->place,
                              "\"" + router.options_.self + "\" is no value of self",
                              "freeze, defer, fail, send, pass or reroute: <domain>");
  }
};

namespace {

// Finds the router that an option names, among those from `first` on.
void link(const std::string& wanted, std::string_view option, size_t first, int& index,
          const Router& router, const std::vector<std::string_view>& names,
          const RouterChain& chain, const RouterCompileContext& context) {
  if (wanted.empty()) return;
  for (size_t i = first; i < chain.routers().size(); ++i) {
    if (chain.routers()[i]->name() != wanted) continue;
    index = static_cast<int>(i);
    return;
  }
  context.diagnostics.error({},
                            std::string(option) + " \"" + wanted + "\" of router \"" +
                                router.name() + "\" is no router" + (first > 0 ? " below it" : ""),
                            config::did_you_mean(wanted, names));
}

}  // namespace

std::shared_ptr<const RouterChain> RouterChain::compile(const config::ConfigDocument& document,
                                                        const RouterCompileContext& context) {
  auto chain = std::make_shared<RouterChain>();
  for (std::string_view name : context.transports.all()) {
    chain->transports_.emplace(name, context.transports.find(name));
  }
  std::vector<config::DriverRow> drivers;
  for (const RouterDriverRow& row : router_driver_rows())
    drivers.push_back({row.name, row.make != nullptr});
  std::vector<std::string_view> names;
  for (const config::Instance& instance : document.routers) names.push_back(instance.name);

  for (const config::Instance& instance : document.routers) {
    const std::optional<size_t> driver =
        config::find_driver(instance, drivers, "router", context.diagnostics);
    if (!driver) continue;
    auto router = std::make_unique<Router>();
    router->name_ = instance.name;
    config::OptionTarget<RouterOptions> generic(router_option_rows(), router->options_);
    router->driver_ = router_driver_rows()[*driver].make(instance, generic, context);
    if (router->driver_ == nullptr) continue;
    // Deliveries of the accept router are local ones unless it says otherwise.
    const bool says_nothing = instance.find("log_as_local") == nullptr &&
                              instance.find("no_log_as_local") == nullptr &&
                              instance.find("not_log_as_local") == nullptr;
    if (says_nothing && router_driver_rows()[*driver].name == "accept")
      router->options_.log_as_local = true;
    RouterCompiler{context, *router}.compile(instance);
    chain->routers_.push_back(std::move(router));
  }
  for (size_t at = 0; at < chain->routers_.size(); ++at) {
    Router& router = *chain->routers_[at];
    link(router.options_.pass_router, "pass_router", at + 1, router.pass_router_, router, names,
         *chain, context);
    link(router.options_.redirect_router, "redirect_router", 0, router.redirect_router_, router,
         names, *chain, context);
  }
  return chain;
}

}  // namespace godwit::delivery
