// The manualroute router: hosts from the configuration.
//   route_list = pattern  hosts  options ; ...     the first rule whose pattern matches the domain
//   route_data = hosts options                     where there is only one, usually from a look-up
// EXIM.md 2.7.
#include "acl/expand/regex.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/route/driver_common.h"
#include "delivery/route/driver_table.h"
#include "delivery/route/listed_hosts.h"

#include <algorithm>
#include <array>

namespace godwit::delivery {
namespace {

struct ManualrouteOptions {
  std::string host_all_ignored;
  std::string host_find_failed;
  bool hosts_randomize = false;
  config::ExpandText route_data;
  config::ExpandText route_list;
  bool same_domain_copy_routing = false;
};

using config::Effect;
using Options = ManualrouteOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<ManualrouteOptions>>({
    {"host_all_ignored",          &Options::host_all_ignored,          "defer",  Effect::now, "what to do where every host is ignored: decline, defer, fail, freeze, pass"},
    {"host_find_failed",          &Options::host_find_failed,          "freeze", Effect::now, "what to do where a host has no address: decline, defer, fail, freeze, ignore, pass"},
    {"hosts_randomize",           &Options::hosts_randomize,           "false",  Effect::now, "try the hosts of a rule in random order"},
    {"route_data",                &Options::route_data,                "",       Effect::now, "one rule without its pattern, expanded"},
    {"route_list",                &Options::route_list,                "",       Effect::now, "rules: pattern, hosts, options"},
    {"same_domain_copy_routing",  &Options::same_domain_copy_routing,  "false",  Effect::now, "route a domain once for all recipients of a message"},
});

// clang-format on

struct Rule {
  std::shared_ptr<const acl::ListPattern> pattern;  // null: every domain
  std::string wildcard;                             // of a pattern "*ending": what follows the star
  std::optional<acl::Regex> regex;                  // of a pattern "^..."
  acl::Expansion hosts;  // of route_data: the whole rule, which is cut into words when expanded
  acl::Expansion options;
};

// What the options of a rule say.
struct RuleOptions {
  bool randomize = false;
  FindMethod method = FindMethod::dns_then_name;
  bool v4_only = false;
  bool v4_first = false;
  int transport = -1;
  std::string problem;
};

// Rules are parted by semicolons outside quotes; a doubled one stands for itself.
std::vector<config::LocatedText> split_rules(const config::LocatedText& list) {
  std::vector<config::LocatedText> rules;
  bool quoted = false;
  size_t start = 0;
  for (size_t i = 0; i <= list.size(); ++i) {
    const bool at_end = i == list.size();
    if (!at_end && list[i] == '\\' && quoted) {
      ++i;
      continue;
    }
    if (!at_end && list[i] == '"') quoted = !quoted;
    if (!at_end && (list[i] != ';' || quoted)) continue;
    const config::LocatedText rule = list.substr(start, i - start).trimmed();
    if (!rule.empty()) rules.push_back(rule);
    start = i + 1;
  }
  return rules;
}

class ManualrouteRouter final : public RouterDriver {
 public:
  ManualrouteOptions options;
  std::vector<Rule> rules;
  bool has_data = false;  // rules[0] is route_data
  struct NamedTransport {
    std::string name;
    int index;
    bool is_local;
  };
  std::vector<NamedTransport> transports;

  bool copies_same_domain() const noexcept override { return options.same_domain_copy_routing; }
  // The options of a rule may name one.
  bool needs_transport() const noexcept override {
    return !has_data && std::ranges::all_of(rules, [](const Rule& rule) {
      return trim(rule.options.source()).empty();
    });
  }

  DriverResult route(const Router& router, RouteContext& context) const override {
    DriverResult result;
    for (const Rule& rule : rules) {
      if (rule.pattern != nullptr) {
        acl::ListMatch found =
            rule.pattern->match({context.address.domain, std::nullopt, {}}, context.evaluation);
        if (found.match == acl::Match::defer) {
          result.status = DriverStatus::defer;
          result.message = found.message;
          return result;
        }
        if (found.match == acl::Match::no) continue;
        context.evaluation.value = std::move(found.data);
      }
      set_captures(rule, context);
      return apply(rule, router, context);
    }
    return result;  // declines
  }

 private:
  // What the hosts of a rule may use: $0 is the domain, $1 ... what its pattern took out of it.
  static void set_captures(const Rule& rule, RouteContext& context) {
    const std::string& domain = context.address.domain;
    acl::Captures& captures = context.evaluation.captures;
    captures.assign(domain);
    if (rule.regex) {
      const Result<bool> matched = rule.regex->search(domain, &captures);
      if (!matched || !*matched) captures.assign(domain);
    } else if (!rule.wildcard.empty() && ends_with_ignore_case(domain, rule.wildcard)) {
      captures.add(std::string_view(domain).substr(0, domain.size() - rule.wildcard.size()));
    }
  }

  RuleOptions read_options(std::string_view text) const {
    RuleOptions out;
    out.randomize = options.hosts_randomize;
    while (!(text = trim(text)).empty()) {
      const size_t end = std::min(text.find_first_of(" \t"), text.size());
      const std::string_view word = text.substr(0, end);
      text.remove_prefix(end);
      if (word == "randomize") {
        out.randomize = true;
      } else if (word == "no_randomize") {
        out.randomize = false;
      } else if (word == "byname") {
        out.method = FindMethod::byname;
      } else if (word == "bydns") {
        out.method = FindMethod::bydns;
      } else if (word == "ipv4_only") {
        out.v4_only = true;
      } else if (word == "ipv4_prefer") {
        out.v4_first = true;
      } else {
        const auto found = std::find_if(transports.begin(), transports.end(),
                                        [word](const auto& row) { return row.name == word; });
        if (found == transports.end()) {
          out.problem = "unknown routing option or transport name \"" + std::string(word) + "\"";
        } else {
          out.transport = found->index;
        }
      }
    }
    return out;
  }

  DriverResult apply(const Rule& rule, const Router& router, RouteContext& context) const {
    DriverResult result;
    const acl::EvalResult hosts_text = rule.hosts.evaluate(context.evaluation);
    const acl::EvalResult options_text = rule.options.evaluate(context.evaluation);
    if (hosts_text.status == acl::EvalStatus::forced_fail) return result;
    if (!hosts_text.ok() || !options_text.ok()) {
      result.status = DriverStatus::defer;
      result.message = "failed to expand the hosts of router " + router.name() + ": " +
                       (hosts_text.ok() ? options_text.text : hosts_text.text);
      return result;
    }
    std::string hosts_list = hosts_text.text;
    const RuleOptions rule_options =
        read_options(has_data ? cut_data(hosts_list) : options_text.text);
    if (!rule_options.problem.empty()) {
      result.status = DriverStatus::defer;
      result.message = rule_options.problem + " in router " + router.name();
      return result;
    }
    result.transport = rule_options.transport;
    // Nothing but blanks: a local transport needs no hosts, and route_data then declines.
    if (trim(hosts_list).empty()) {
      result.status = has_data ? DriverStatus::decline : DriverStatus::routed;
      return result;
    }
    const int transport = result.transport >= 0 ? result.transport : router.transport_index();
    if (transport < 0 && !router.options().transport.is_set && !router.options().verify_only) {
      result.status = DriverStatus::defer;
      result.message = "error in router: transport missing";
      return result;
    }
    if (is_local(transport)) {
      // A local transport finds the text in $host; nobody looks such hosts up.
      auto list = std::make_shared<HostList>();
      list->hosts.emplace_back().name = std::move(hosts_list);
      set_key(*list);
      result.hosts = std::move(list);
      result.status = DriverStatus::routed;
      return result;
    }
    ListedHosts wanted;
    wanted.text = std::move(hosts_list);
    wanted.randomize = rule_options.randomize;
    wanted.method = rule_options.method;
    wanted.v4_only = rule_options.v4_only;
    wanted.v4_first = rule_options.v4_first;
    wanted.if_missing = options.host_find_failed;
    wanted.if_all_ignored = options.host_all_ignored;
    return find_listed_hosts(wanted, router, context, std::move(result));
  }

  bool is_local(int index) const {
    return std::ranges::any_of(transports, [index](const NamedTransport& transport) {
      return transport.index == index && transport.is_local;
    });
  }

  // Leaves the first word, the hosts, in `data`; gives the options behind it.
  static std::string cut_data(std::string& data) {
    config::LocatedText left(std::move(data));
    std::string hosts(next_word(left).view());
    std::string options(left.view());
    data = std::move(hosts);
    return options;
  }
};

void compile_rule(config::LocatedText text, bool has_pattern, ManualrouteRouter& driver,
                  const RouterCompileContext& context) {
  const acl::CompileOptions options{&context.lists, false};
  Rule rule;
  if (has_pattern) {
    const config::LocatedText pattern = next_word(text);
    if (pattern.view() != "*") {
      rule.pattern = context.lists.compile(config::ListKind::domain, pattern, acl::ListOptions{},
                                           context.diagnostics);
      const acl::Expansion source =
          acl::compile_expansion(pattern, options, context.diagnostics).value_or(acl::Expansion());
      const std::string_view constant =
          source.is_constant() ? source.constant() : std::string_view();
      if (constant.starts_with('*')) rule.wildcard = constant.substr(1);
      if (constant.starts_with('^')) {
        Result<acl::Regex> regex = acl::Regex::compile(constant, true);
        if (regex) rule.regex = std::move(*regex);
      }
    }
  }
  const config::LocatedText hosts = has_pattern ? next_word(text) : std::exchange(text, {});
  rule.hosts =
      acl::compile_expansion(hosts, options, context.diagnostics).value_or(acl::Expansion());
  rule.options = acl::compile_expansion(text.trimmed(), options, context.diagnostics)
                     .value_or(acl::Expansion());
  driver.rules.push_back(std::move(rule));
}

void check_action(const std::string& value, bool with_ignore, const config::Instance& instance,
                  std::string_view option, config::Diagnostics& diagnostics) {
  if (is_host_action(value) || (with_ignore && value == "ignore")) return;
  const config::Setting* setting = instance.find(option);
  diagnostics.error(setting == nullptr ? instance.place : setting->place,
                    "\"" + value + "\" is no value of " + std::string(option),
                    with_ignore ? "decline, defer, fail, freeze, ignore or pass"
                                : "decline, defer, fail, freeze or pass");
}

}  // namespace

std::unique_ptr<config::OptionBinding> manualroute_options() {
  return std::make_unique<config::OwnOptions<ManualrouteOptions>>(kRows);
}

std::unique_ptr<RouterDriver> make_manualroute_router(const config::Instance& instance,
                                                      config::OptionBinding& generic,
                                                      const RouterCompileContext& context) {
  auto driver = std::make_unique<ManualrouteRouter>();
  config::OptionTarget<ManualrouteOptions> own(kRows, driver->options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "manualroute router");
  for (std::string_view name : context.transports.all()) {
    const int index = context.transports.find(name);
    driver->transports.push_back({std::string(name), index, context.transports.is_local(index)});
  }
  check_action(driver->options.host_find_failed, true, instance, "host_find_failed",
               context.diagnostics);
  check_action(driver->options.host_all_ignored, false, instance, "host_all_ignored",
               context.diagnostics);
  const bool has_list = driver->options.route_list.is_set;
  driver->has_data = driver->options.route_data.is_set;
  if (has_list == driver->has_data) {
    context.diagnostics.error(
        instance.place, "router \"" + instance.name + "\" needs one of route_list and route_data");
    return driver;
  }
  if (driver->has_data) {
    compile_rule(driver->options.route_data.text, false, *driver, context);
  } else {
    for (const config::LocatedText& rule : split_rules(driver->options.route_list.text)) {
      compile_rule(rule, true, *driver, context);
    }
  }
  return driver;
}

}  // namespace godwit::delivery
