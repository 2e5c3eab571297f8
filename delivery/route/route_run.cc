#include "delivery/route/route_run.h"

#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/route/required_files.h"
#include "protocol/message/address_syntax.h"
#include "protocol/message/affix.h"

#include <utility>

namespace godwit::delivery {

RouteRun::RouteRun(const RouteQuery& query, HostFinder& hosts, const RouterChain& chain,
                   const TransportTable& transports)
    : query_(query), hosts_(hosts), chain_(chain), transports_(transports) {
  address_.domain = query.domain;
  const RouteAncestor* top = query.parent;
  while (top != nullptr && top->parent != nullptr) top = top->parent;
  address_.original_domain = top != nullptr ? top->domain : query.domain;
  address_.original_local_part = top != nullptr ? top->local_part : query.local_part;
  if (query.parent != nullptr) {
    address_.parent_domain = query.parent->domain;
    address_.parent_local_part = query.parent->local_part;
  }
  address_.address_data = query.properties.address_data;
  address_.variables = query.properties.variables;
  evaluation_.services = query.services;
  evaluation_.trace = query.trace;
  evaluation_.server = query.server;
  evaluation_.connection = query.connection;
  evaluation_.message = query.message;
  evaluation_.message_variables = query.message_variables;
  evaluation_.connection_variables = query.connection_variables;
  evaluation_.address = &address_;
  evaluation_.now = query.now;
}

void RouteRun::trace_begin(const Router& router) {
  why_ = {};
  if (query_.trace == nullptr) return;
  const std::string asked = query_.local_part + "@" + query_.domain;
  query_.trace->event({acl::TraceKind::router_begin, router.name(), asked, {}, {}});
}

void RouteRun::trace(const Router& router, std::string_view outcome, std::string_view why) {
  if (query_.trace == nullptr) return;
  const std::string asked = query_.local_part + "@" + query_.domain;
  if (why.empty()) why = why_;
  std::string text(outcome);
  if (!why.empty()) text += ": " + std::string(why);
  query_.trace->event({acl::TraceKind::router, router.name(), asked, text, {}});
}

// The first reason counts.
RouteRun::Precondition RouteRun::because(Precondition found, std::string_view why) {
  if (found == Precondition::skip && why_.empty()) why_ = why;
  return found;
}

// --- Preconditions, in Exim's order --------------------------------------------------------------

RouteRun::Precondition RouteRun::fail_precondition(std::string message) {
  result.message = std::move(message);
  return Precondition::defer;
}

RouteRun::Precondition RouteRun::match(const acl::ListPattern* pattern, std::string_view text,
                                       std::string* data) {
  if (pattern == nullptr) return Precondition::pass;
  acl::ListMatch found = pattern->match({text, std::nullopt, {}}, evaluation_);
  if (found.match == acl::Match::defer) return fail_precondition(std::move(found.message));
  if (found.match == acl::Match::no) return Precondition::skip;
  if (data != nullptr) *data = std::move(found.data);
  return Precondition::pass;
}

// A router that has handled the same address above this one in the descent is left out, so that
// an address may be redirected to itself.
bool RouteRun::has_run_before(const Router& router) const {
  for (const RouteAncestor* at = query_.parent; at != nullptr; at = at->parent) {
    if (at->router != &router) continue;
    if (!router.driver_->may_repeat()) return true;
    const bool same_local = router.options_.caseful_local_part
                                ? at->local_part == query_.local_part
                                : equals_ignore_case(at->local_part, query_.local_part);
    if (same_local && equals_ignore_case(at->domain, query_.domain)) return true;
  }
  return false;
}

bool RouteRun::is_for_purpose(const Router& router) const {
  const RouterOptions& options = router.options_;
  switch (query_.purpose) {
    case RoutePurpose::verify_recipient:
      return options.verify && options.verify_recipient;
    case RoutePurpose::verify_sender:
      return options.verify && options.verify_sender;
    case RoutePurpose::test:
      return options.address_test && !options.verify_only;
    case RoutePurpose::expn:
      return options.expn && !options.verify_only;
    case RoutePurpose::deliver:
      break;
  }
  return !options.verify_only;
}

bool RouteRun::strip_affixes(const Router& router) {
  const RouterOptions& options = router.options_;
  const std::string local_part = message::unquote_local_part(query_.local_part);
  address_.local_part = options.caseful_local_part ? local_part : to_lower(local_part);
  const message::Affix prefix =
      message::find_prefix(address_.local_part, options.local_part_prefix);
  if (!prefix.found && !options.local_part_prefix.empty() && !options.local_part_prefix_optional)
    return false;
  address_.local_part_prefix = address_.local_part.substr(0, prefix.bytes);
  address_.local_part_prefix_v = address_.local_part.substr(0, prefix.wild_bytes);
  address_.local_part.erase(0, prefix.bytes);
  const message::Affix suffix =
      message::find_suffix(address_.local_part, options.local_part_suffix);
  if (!suffix.found && !options.local_part_suffix.empty() && !options.local_part_suffix_optional)
    return false;
  const size_t keep = address_.local_part.size() - suffix.bytes;
  address_.local_part_suffix = address_.local_part.substr(keep);
  address_.local_part_suffix_v =
      address_.local_part.substr(address_.local_part.size() - suffix.wild_bytes);
  address_.local_part.resize(keep);
  return true;
}

RouteRun::Precondition RouteRun::check_user(const Router& router) {
  user_.reset();
  address_.home.clear();
  address_.user_id = address_.group_id = -1;
  if (!router.options_.check_local_user) return Precondition::pass;
  Result<std::optional<LocalUser>> user =
      find_local_user(address_.local_part, false, query_.services);
  if (!user) return fail_precondition(user.error().detail());
  if (!*user) return Precondition::skip;
  user_ = std::move(**user);
  evaluation_.local_part_data = address_.local_part;
  address_.home = user_->home;
  address_.user_id = user_->uid;
  address_.group_id = user_->gid;
  return Precondition::pass;
}

RouteRun::Precondition RouteRun::expand_home(const Router& router) {
  const acl::EvalResult home = router.router_home_.evaluate(evaluation_);
  if (home.status == acl::EvalStatus::forced_fail) return Precondition::pass;
  if (!home.ok())
    return fail_precondition("failed to expand router_home_directory of router " + router.name() +
                             ": " + home.text);
  if (!home.text.empty()) address_.home = home.text;
  return Precondition::pass;
}

void RouteRun::show_debug_print(const Router& router) {
  if (query_.trace == nullptr || !router.options_.debug_print.is_set) return;
  acl::show_debug_print(*query_.trace, router.name(), router.debug_print_, evaluation_);
}

RouteRun::Precondition RouteRun::check_files(const Router& router) {
  if (!router.options_.require_files.is_set) return Precondition::pass;
  const acl::EvalResult list = router.require_files_.evaluate(evaluation_);
  if (list.status == acl::EvalStatus::forced_fail) return Precondition::pass;
  if (!list.ok())
    return fail_precondition("failed to expand require_files of router " + router.name() + ": " +
                             list.text);
  const Result<bool> exist = required_files_exist(list.text, query_.services);
  if (!exist) return fail_precondition(exist.error().detail());
  return *exist ? Precondition::pass : Precondition::skip;
}

RouteRun::Precondition RouteRun::check_conditions(const Router& router) {
  for (const acl::Expansion& condition : router.conditions_) {
    const acl::EvalResult value = condition.evaluate(evaluation_);
    if (value.status == acl::EvalStatus::forced_fail) return Precondition::skip;
    if (!value.ok())
      return fail_precondition("failed to evaluate condition of router " + router.name() + ": " +
                               value.text);
    if (!acl::lax_truth_of(value.text)) return Precondition::skip;
  }
  return Precondition::pass;
}

RouteRun::Precondition RouteRun::preconditions(const Router& router) {
  address_.router_name = router.name();
  constexpr Precondition kSkip = Precondition::skip;
  if (has_run_before(router)) return because(kSkip, "it has had this address before");
  if (!strip_affixes(router)) return because(kSkip, "the prefix or suffix is missing");
  if (!is_for_purpose(router)) return because(kSkip, "not used for this purpose");
  evaluation_.domain_data.clear();
  evaluation_.local_part_data.clear();
  Precondition found =
      because(match(router.domains_.get(), query_.domain, &evaluation_.domain_data), "domains");
  if (found == Precondition::pass)
    found =
        because(match(router.local_parts_.get(), address_.local_part, &evaluation_.local_part_data),
                "local_parts");
  if (found == Precondition::pass) found = because(check_user(router), "no local user");
  if (found == Precondition::pass) found = expand_home(router);
  if (found == Precondition::pass) show_debug_print(router);
  if (found == Precondition::pass)
    found =
        because(match(router.senders_.get(), query_.sender, &evaluation_.sender_data), "senders");
  if (found == Precondition::pass) found = because(check_files(router), "require_files");
  if (found == Precondition::pass) found = because(check_conditions(router), "condition");
  return found;
}

// --- The router runs -----------------------------------------------------------------------------

RouteRun::Precondition RouteRun::set_properties(const Router& router) {
  for (const Router::Variable& variable : router.variables_) {
    const acl::EvalResult value = variable.value.evaluate(evaluation_);
    if (value.status == acl::EvalStatus::forced_fail)
      return because(Precondition::skip, "set is forced to fail");
    if (!value.ok())
      return fail_precondition("failed to expand " + variable.name + " of router " + router.name() +
                               ": " + value.text);
    tell(query_.trace, {acl::TraceKind::variable, variable.name, {}, value.text, {}});
    address_.variables.insert_or_assign(variable.name, acl::AclValue(value.text, value.tainted));
  }
  if (!router.options_.address_data.is_set) return Precondition::pass;
  const acl::EvalResult data = router.address_data_.evaluate(evaluation_);
  if (data.status == acl::EvalStatus::forced_fail)
    return because(Precondition::skip, "address_data is forced to fail");
  if (!data.ok())
    return fail_precondition("failed to expand address_data of router " + router.name() + ": " +
                             data.text);
  address_.address_data = data.text;
  return Precondition::pass;
}

DriverResult RouteRun::drive(const Router& router) {
  RouteContext context{query_, evaluation_, address_, hosts_, transports_};
  return router.driver_->route(router, context);
}

bool RouteRun::goes_on(const Router& router) {
  const acl::EvalResult more = router.more_.evaluate(evaluation_);
  return more.status == acl::EvalStatus::forced_fail || acl::truth_of(more.text).value_or(true);
}

bool RouteRun::wants_copy(const Router& router, bool& copy) {
  copy = false;
  if (!router.options_.unseen.is_set) return true;
  const acl::EvalResult value = router.unseen_.evaluate(evaluation_);
  if (value.status == acl::EvalStatus::forced_fail) return true;
  const std::optional<bool> truth = value.ok() ? acl::truth_of(value.text) : std::nullopt;
  copy = truth.value_or(false);
  if (truth) return true;
  finish_unsuccessful(&router, RouteStatus::deferred,
                      "unseen of router " + router.name() + " is no boolean: " + value.text);
  return false;
}

std::string RouteRun::unrouteable(const Router& router, const std::string& why) {
  const acl::EvalResult text = router.cannot_route_message_.evaluate(evaluation_);
  if (text.ok() && !text.text.empty()) return text.text;
  return why.empty() ? "Unrouteable address" : why;
}

// --- Answers -------------------------------------------------------------------------------------

void RouteRun::finish_unsuccessful(const Router* router, RouteStatus status, std::string message) {
  result.status = status;
  result.router = router;
  result.message = std::move(message);
}

bool RouteRun::expand_option(const Router& router, const acl::Expansion& option,
                             std::string_view name, std::optional<std::string>& value) {
  const acl::EvalResult text = option.evaluate(evaluation_);
  if (text.ok()) {
    value = text.text;
    return true;
  }
  value.reset();
  if (text.status == acl::EvalStatus::forced_fail) return true;
  finish_unsuccessful(
      &router, RouteStatus::deferred,
      "failed to expand " + std::string(name) + " of router " + router.name() + ": " + text.text);
  return false;
}

bool RouteRun::finish_headers(const Router& router) {
  AddressProperties& properties = result.properties;
  for (const acl::Expansion& option : router.headers_add_) {
    std::optional<std::string> text;
    if (!expand_option(router, option, "headers_add", text)) return false;
    if (text && !text->empty()) properties.headers_add.push_back(std::move(*text));
  }
  for (const acl::Expansion& option : router.headers_remove_) {
    std::optional<std::string> text;
    if (!expand_option(router, option, "headers_remove", text)) return false;
    if (text && !text->empty()) properties.headers_remove.push_back(std::move(*text));
  }
  return true;
}

// An address that does not verify is not used: reports go where they would have gone without.
bool RouteRun::finish_errors_to(const Router& router) {
  if (!router.options_.errors_to.is_set) return true;
  std::optional<std::string> text;
  if (!expand_option(router, router.errors_to_, "errors_to", text)) return false;
  if (!text) return true;
  const size_t at = text->rfind('@');
  // Nothing means that nobody is told.
  if (text->empty() || *text == "<>") {
    result.properties.errors_to = "<>";
    return true;
  }
  if (query_.is_verifying() || at == std::string::npos) {
    if (at != std::string::npos) result.properties.errors_to = std::move(*text);
    return true;
  }
  RouteQuery question = query_;
  question.local_part = text->substr(0, at);
  question.domain = to_lower(std::string_view(*text).substr(at + 1));
  question.sender.clear();
  question.purpose = RoutePurpose::verify_recipient;
  question.parent = nullptr;
  question.start_router = 0;
  question.properties = {};
  const RouteStatus status = chain_.route(question, hosts_).status;
  if (status != RouteStatus::failed) result.properties.errors_to = std::move(*text);
  return true;
}

bool RouteRun::finish_directories(const Router& router) {
  std::optional<std::string> text;
  if (!expand_option(router, router.transport_home_, "transport_home_directory", text))
    return false;
  if (text && !text->empty()) {
    result.home = std::move(*text);
  } else {
    result.home = user_ ? user_->home : address_.home;
  }
  if (!expand_option(router, router.transport_directory_, "transport_current_directory", text))
    return false;
  if (text) result.current_directory = std::move(*text);
  return true;
}

bool RouteRun::finish_user(const Router& router) {
  if (user_) {
    result.user = user_->uid;
    result.group = user_->gid;
  }
  result.initgroups = router.options_.initgroups;
  std::optional<std::string> text;
  if (router.options_.user.is_set) {
    if (!expand_option(router, router.user_, "user", text)) return false;
    const std::string name = text.value_or("");
    Result<std::optional<LocalUser>> found = find_local_user(name, true, query_.services);
    if (!found || !*found) {
      finish_unsuccessful(&router, RouteStatus::deferred,
                          "user \"" + name + "\" of router " + router.name() +
                              (found ? " was not found" : ": " + found.error().detail()));
      return false;
    }
    result.user = (*found)->uid;
    result.group = (*found)->gid;
  }
  if (!router.options_.group.is_set) return true;
  if (!expand_option(router, router.group_, "group", text)) return false;
  const std::string name = text.value_or("");
  const Result<std::optional<uint32_t>> found = find_local_group(name, query_.services);
  if (found && *found) {
    result.group = **found;
    return true;
  }
  finish_unsuccessful(&router, RouteStatus::deferred,
                      "group \"" + name + "\" of router " + router.name() +
                          (found ? " was not found" : ": " + found.error().detail()));
  return false;
}

bool RouteRun::finish_properties(const Router& router) {
  result.router = &router;
  result.local_part = address_.local_part;
  result.domain = query_.domain;
  result.prefix = address_.local_part_prefix;
  result.suffix = address_.local_part_suffix;
  result.self_hostname = address_.self_hostname;
  result.properties = query_.properties;
  result.properties.address_data = address_.address_data;
  result.properties.variables = address_.variables;
  result.properties.domain_data = evaluation_.domain_data;
  result.properties.local_part_data = evaluation_.local_part_data;
  return finish_errors_to(router) && finish_headers(router);
}

// The transport of the route rule, of the router, or what its option expands to now.
bool RouteRun::resolve_transport(const Router& router, const DriverResult& driven) {
  result.transport = driven.transport >= 0 ? driven.transport : router.transport_index_;
  if (result.transport >= 0 || !router.options_.transport.is_set) return true;
  std::optional<std::string> name;
  if (!expand_option(router, router.transport_, "transport", name)) return false;
  const auto found = name ? transports_.find(*name) : transports_.end();
  if (found != transports_.end()) {
    result.transport = found->second;
    return true;
  }
  finish_unsuccessful(
      &router, RouteStatus::deferred,
      "transport \"" + name.value_or("") + "\" of router " + router.name() + " does not exist");
  return false;
}

// Every address of the host is replaced by what translate_ip_address makes of it: an address, or
// the addresses of a name.
bool RouteRun::translate_host(const Router& router, RouteHost& host) {
  std::vector<IpAddress> translated;
  for (const IpAddress& address : host.addresses) {
    address_.host = host.name;
    address_.host_address = address.to_string();
    std::optional<std::string> text;
    if (!expand_option(router, router.translate_ip_address_, "translate_ip_address", text))
      return false;
    if (!text) {
      translated.push_back(address);
      continue;
    }
    FoundAddresses found =
        hosts_.find_addresses(*text, FindMethod::byname, FindOptions(), evaluation_);
    if (found.status != FindStatus::found) {
      finish_unsuccessful(&router, RouteStatus::deferred,
                          "host lookup failed for " + *text + " (translate_ip_address of router " +
                              router.name() + ")");
      return false;
    }
    translated.insert(translated.end(), found.addresses.begin(), found.addresses.end());
  }
  address_.host.clear();
  address_.host_address.clear();
  host.addresses = std::move(translated);
  return true;
}

bool RouteRun::translate_addresses(const Router& router, SharedHostList& hosts) {
  if (hosts == nullptr || !router.options_.translate_ip_address.is_set) return true;
  auto list = std::make_shared<HostList>(*hosts);
  for (RouteHost& host : list->hosts) {
    if (!translate_host(router, host)) return false;
  }
  set_key(*list);
  list->key += " by " + router.name();  // other routers reach other hosts by these names
  hosts = std::move(list);
  return true;
}

void RouteRun::finish_routed(const Router& router, DriverResult driven) {
  if (!translate_addresses(router, driven.hosts)) return;
  if (!finish_properties(router) || !resolve_transport(router, driven) || !finish_user(router) ||
      !finish_directories(router))
    return;
  result.status = RouteStatus::routed;
  result.hosts = std::move(driven.hosts);
}

void RouteRun::finish_redirected(const Router& router, DriverResult driven) {
  if (!finish_properties(router) || !finish_user(router) || !finish_directories(router)) return;
  result.status =
      driven.status == DriverStatus::discard ? RouteStatus::discarded : RouteStatus::redirected;
  result.children = std::move(driven.children);
  if (driven.hides_children) result.properties.is_hidden = true;
  result.one_time = driven.one_time;
  result.children_start = router.redirect_router_;
}

// What routers before this one have set goes with it.
void RouteRun::finish_rerouted(const Router& router, const DriverResult& driven) {
  result.router = &router;
  result.status = RouteStatus::redirected;
  result.properties = query_.properties;
  result.properties.address_data = address_.address_data;
  result.properties.variables = address_.variables;
  GeneratedAddress& child = result.children.emplace_back();
  child.local_part = query_.local_part;
  child.domain = to_lower(driven.new_domain);
  child.text = child.local_part + "@" + child.domain;
  result.is_rerouted = true;
  result.rewrites_headers = driven.rewrites_headers;
}

}  // namespace godwit::delivery
