// Compiles routers, and takes an address through them: preconditions in Exim's order, then the
// driver (EXIM.md 2.7).
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/route/router.h"

#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr int kRoutersPerAddressMax = 1000;

struct SelfRow {
  std::string_view name;
  SelfAction action;
};
constexpr std::array kSelfRows{
    SelfRow{"freeze", SelfAction::freeze}, SelfRow{"defer", SelfAction::defer},
    SelfRow{"fail", SelfAction::fail},     SelfRow{"send", SelfAction::send},
    SelfRow{"pass", SelfAction::pass},
};

// Options that decide about an address; to accept one without acting on it would misroute mail.
constexpr std::array<std::string_view, 9> kRefusedUntilTheyAct{"check_local_user",
                                                               "fail_verify",
                                                               "fail_verify_recipient",
                                                               "fail_verify_sender",
                                                               "fallback_hosts",
                                                               "require_files",
                                                               "set",
                                                               "translate_ip_address",
                                                               "unseen"};

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
                                               const config::ConfigText& text) const {
    if (!text.is_set) return nullptr;
    return context.lists.compile(kind, text.text, acl::ListOptions{}, context.diagnostics);
  }

  void compile(const config::Instance& instance) {
    refuse_what_does_not_act(instance);
    const RouterOptions& options = router.options_;
    router.domains_ = list(config::ListKind::domain, options.domains);
    router.local_parts_ = list(config::ListKind::local_part, options.local_parts);
    router.senders_ = list(config::ListKind::address, options.senders);
    router.ignore_target_hosts_ = list(config::ListKind::host, options.ignore_target_hosts);
    router.dnssec_request_ = list(config::ListKind::domain, options.dnssec_request_domains);
    router.dnssec_require_ = list(config::ListKind::domain, options.dnssec_require_domains);
    for (const config::ExpandText& condition : options.condition)
      router.conditions_.push_back(expansion(condition));
    router.more_ = expansion(options.more);
    router.address_data_ = expansion(options.address_data);
    router.errors_to_ = expansion(options.errors_to);
    router.cannot_route_message_ = expansion(options.cannot_route_message);
    compile_transport(instance);
    compile_self(instance);
  }

  void refuse_what_does_not_act(const config::Instance& instance) const {
    for (std::string_view name : kRefusedUntilTheyAct) {
      const config::Setting* setting = instance.find(name);
      if (setting == nullptr) continue;
      context.diagnostics.error(setting->place,
                                "router option \"" + std::string(name) + "\" is not available yet");
    }
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
      if (domain.starts_with(kRewrite)) domain = trim(domain.substr(kRewrite.size()));
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
    RouterCompiler{context, *router}.compile(instance);
    chain->routers_.push_back(std::move(router));
  }
  for (size_t at = 0; at < chain->routers_.size(); ++at) {
    Router& router = *chain->routers_[at];
    const std::string& wanted = router.options_.pass_router;
    if (wanted.empty()) continue;
    for (size_t i = at + 1; i < chain->routers_.size(); ++i) {
      if (chain->routers_[i]->name_ == wanted) router.pass_router_ = static_cast<int>(i);
    }
    if (router.pass_router_ >= 0) continue;
    context.diagnostics.error(
        {},
        "pass_router \"" + wanted + "\" of router \"" + router.name_ + "\" is no router below it",
        config::did_you_mean(wanted, names));
  }
  return chain;
}

bool Router::requests_dnssec(std::string_view domain, acl::EvalContext& context) const {
  return dnssec_request_ != nullptr &&
         dnssec_request_->match({domain, std::nullopt, {}}, context).match == acl::Match::yes;
}

bool Router::requires_dnssec(std::string_view domain, acl::EvalContext& context) const {
  return dnssec_require_ != nullptr &&
         dnssec_require_->match({domain, std::nullopt, {}}, context).match == acl::Match::yes;
}

// One address on its way.
struct RouteRun {
  const RouteQuery& query;
  std::string domain;  // after widening and rerouting
  HostFinder& hosts;
  acl::AddressFacts address;
  acl::EvalContext evaluation;
  RouteResult result;

  enum class Precondition : uint8_t { pass, skip, defer };

  // Takes a prefix or suffix off; false where a mandatory one is missing.
  static bool strip_affix(std::string& local_part, const config::PlainList& affixes, bool optional,
                          bool prefix) {
    for (std::string_view affix : affixes) {
      const bool wild = prefix ? affix.starts_with('*') : affix.ends_with('*');
      const std::string_view fixed =
          wild ? (prefix ? affix.substr(1) : affix.substr(0, affix.size() - 1)) : affix;
      if (fixed.empty() || local_part.size() <= fixed.size()) continue;
      if (wild) {
        const size_t at = prefix ? local_part.rfind(fixed) : local_part.find(fixed);
        const size_t cut = prefix ? at + fixed.size() : at;
        if (at == std::string::npos || cut == 0 || cut >= local_part.size()) continue;
        local_part = prefix ? local_part.substr(cut) : local_part.substr(0, cut);
        return true;
      }
      if (prefix && starts_with_ignore_case(local_part, fixed)) {
        local_part.erase(0, fixed.size());
        return true;
      }
      if (!prefix && ends_with_ignore_case(local_part, fixed)) {
        local_part.resize(local_part.size() - fixed.size());
        return true;
      }
    }
    return affixes.empty() || optional;
  }

  Precondition match(const acl::ListPattern* pattern, std::string_view text, std::string* data) {
    if (pattern == nullptr) return Precondition::pass;
    acl::ListMatch found = pattern->match({text, std::nullopt, {}}, evaluation);
    if (found.match == acl::Match::defer) {
      result.message = std::move(found.message);
      return Precondition::defer;
    }
    if (found.match == acl::Match::no) return Precondition::skip;
    if (data != nullptr) *data = std::move(found.data);
    return Precondition::pass;
  }

  Precondition conditions(const Router& router) {
    for (const acl::Expansion& condition : router.conditions_) {
      const acl::EvalResult value = condition.evaluate(evaluation);
      if (value.status == acl::EvalStatus::forced_fail) return Precondition::skip;
      if (!value.ok()) {
        result.message =
            "failed to evaluate condition of router " + router.name() + ": " + value.text;
        return Precondition::defer;
      }
      if (!acl::lax_truth_of(value.text)) return Precondition::skip;
    }
    return Precondition::pass;
  }

  Precondition preconditions(const Router& router) {
    const RouterOptions& options = router.options();
    if (options.verify_only || (query.testing && !options.address_test)) return Precondition::skip;
    address.local_part = options.caseful_local_part ? query.local_part : to_lower(query.local_part);
    if (!strip_affix(address.local_part, options.local_part_prefix,
                     options.local_part_prefix_optional, true) ||
        !strip_affix(address.local_part, options.local_part_suffix,
                     options.local_part_suffix_optional, false)) {
      return Precondition::skip;
    }
    Precondition found = match(router.domains_.get(), domain, &evaluation.domain_data);
    if (found != Precondition::pass) return found;
    found = match(router.local_parts_.get(), address.local_part, &evaluation.local_part_data);
    if (found != Precondition::pass) return found;
    found = match(router.senders_.get(), query.sender, &evaluation.sender_data);
    if (found != Precondition::pass) return found;
    return conditions(router);
  }

  // False where the router declines because of a forced failure.
  Precondition expand_address_data(const Router& router) {
    const acl::EvalResult value = router.address_data_.evaluate(evaluation);
    if (value.status == acl::EvalStatus::forced_fail) return Precondition::skip;
    if (!value.ok()) {
      result.message =
          "failed to expand address_data of router " + router.name() + ": " + value.text;
      return Precondition::defer;
    }
    if (!value.text.empty()) address.address_data = value.text;
    return Precondition::pass;
  }

  // Sets the transport: of the route rule, of the router, or what its option expands to now.
  bool resolve_transport(const std::map<std::string, int, std::less<>>& transports,
                         const Router& router, const DriverResult& driven) {
    result.transport = driven.transport >= 0 ? driven.transport : router.transport_index_;
    if (result.transport >= 0) return true;
    const acl::EvalResult name = router.transport_.evaluate(evaluation);
    const auto found = name.ok() ? transports.find(name.text) : transports.end();
    if (found == transports.end()) {
      fail(&router, RouteStatus::deferred,
           name.ok()
               ? "transport \"" + name.text + "\" of router " + router.name() + " does not exist"
               : "failed to expand transport of router " + router.name() + ": " + name.text);
      return false;
    }
    result.transport = found->second;
    return true;
  }

  void finish_routed(const Router& router, DriverResult driven) {
    result.status = RouteStatus::routed;
    result.router = &router;
    result.hosts = std::move(driven.hosts);
    result.local_part = address.local_part;
    result.domain = domain;
    result.address_data = address.address_data;
    const acl::EvalResult errors_to = router.errors_to_.evaluate(evaluation);
    if (errors_to.ok()) result.errors_to = errors_to.text;
  }

  void fail(const Router* router, RouteStatus status, std::string message) {
    result.status = status;
    result.router = router;
    result.message = std::move(message);
  }

  // What the operator wants to be said, else why the driver declined.
  std::string unrouteable(const Router& router, const std::string& why) {
    const acl::EvalResult text = router.cannot_route_message_.evaluate(evaluation);
    if (text.ok() && !text.text.empty()) return text.text;
    return why.empty() ? "Unrouteable address" : why;
  }

  // The address starts again as another.
  void change_domain(std::string new_domain) {
    domain = to_lower(new_domain);
    address.domain = domain;
    address.address_data.clear();
  }
};

RouteResult RouterChain::route(const RouteQuery& query, HostFinder& hosts) const {
  RouteRun run{query, query.domain, hosts, {}, {}, {}};
  run.address.domain = query.domain;
  run.address.original_domain = query.domain;
  run.address.original_local_part = query.local_part;
  run.evaluation.services = query.services;
  run.evaluation.server = query.server;
  run.evaluation.connection = query.connection;
  run.evaluation.message = query.message;
  run.evaluation.message_variables = query.message_variables;
  run.evaluation.connection_variables = query.connection_variables;
  run.evaluation.address = &run.address;
  run.evaluation.now = query.now;

  std::string unrouteable = "Unrouteable address";
  int steps = 0;
  for (size_t at = 0; at < routers_.size() && steps < kRoutersPerAddressMax; ++steps) {
    const Router& router = *routers_[at];
    run.address.router_name = router.name();
    RouteRun::Precondition found = run.preconditions(router);
    if (found == RouteRun::Precondition::skip) {
      ++at;
      continue;
    }
    DriverResult driven;
    if (found == RouteRun::Precondition::pass) found = run.expand_address_data(router);
    if (found == RouteRun::Precondition::defer) {
      run.fail(&router, RouteStatus::deferred, std::move(run.result.message));
      return std::move(run.result);
    }
    if (found == RouteRun::Precondition::pass) {
      RouteContext context{query, run.evaluation, run.address, hosts};
      driven = router.driver_->route(router, context);
    }
    switch (driven.status) {
      case DriverStatus::routed:
        if (run.resolve_transport(transports_, router, driven))
          run.finish_routed(router, std::move(driven));
        return std::move(run.result);
      case DriverStatus::fail:
        run.fail(&router, RouteStatus::failed, run.unrouteable(router, driven.message));
        return std::move(run.result);
      case DriverStatus::defer:
        run.fail(&router, RouteStatus::deferred, std::move(driven.message));
        return std::move(run.result);
      case DriverStatus::freeze:
        run.fail(&router, RouteStatus::frozen, std::move(driven.message));
        return std::move(run.result);
      case DriverStatus::pass:
        at = router.pass_router_ >= 0 ? static_cast<size_t>(router.pass_router_) : at + 1;
        continue;
      case DriverStatus::reroute:
        run.change_domain(std::move(driven.new_domain));
        at = 0;
        continue;
      case DriverStatus::decline:
        break;
    }
    const acl::EvalResult more = router.more_.evaluate(run.evaluation);
    const bool goes_on =
        more.status == acl::EvalStatus::forced_fail || acl::truth_of(more.text).value_or(true);
    unrouteable = run.unrouteable(router, driven.message);
    if (!goes_on) break;
    ++at;
  }
  run.fail(nullptr, RouteStatus::failed, std::move(unrouteable));
  return std::move(run.result);
}

}  // namespace godwit::delivery
