// The redirect router: aliases, .forward files, mailing lists. Gets the list from an expansion or a
// file, and makes the addresses, pipes and files that take the place of the address.
#include "acl/policy/run.h"
#include "core/base/ascii.h"
#include "delivery/route/driver_table.h"
#include "delivery/route/pool_call.h"
#include "delivery/route/redirect_file.h"
#include "delivery/route/redirect_list.h"
#include "delivery/route/redirect_options.h"
#include "protocol/message/address_syntax.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

bool is_filter(std::string_view text) {
  text = trim_left(text);
  if (!text.starts_with('#')) return false;
  const std::string_view after = trim_left(text.substr(1));
  return starts_with_ignore_case(after, "exim filter") ||
         starts_with_ignore_case(after, "sieve filter");
}

class RedirectRouter final : public RouterDriver {
 public:
  RedirectOptions options;
  acl::Expansion data;
  acl::Expansion file;
  acl::Expansion pipe_transport;
  acl::Expansion file_transport;
  acl::Expansion directory_transport;
  acl::Expansion syntax_errors_to;
  acl::Expansion syntax_errors_text;
  std::shared_ptr<const rewrite::RewriteRules> rewriting;

  bool needs_transport() const noexcept override { return false; }
  bool may_repeat() const noexcept override { return options.repeat_use; }

  DriverResult route(const Router& router, RouteContext& context) const override {
    DriverResult result;
    std::string text;
    if (!read_text(router, context, text, result)) return result;
    return redirect(text, router, context);
  }

  DriverResult redirect(const std::string& text, const Router& router,
                        RouteContext& context) const {
    DriverResult result;
    if (is_filter(text) && !options.allow_filter) {
      return deferred(std::string("error in filter ") + (options.file.is_set ? "file" : "data") +
                      ": filtering not enabled");
    }
    if (is_filter(text)) {
      return deferred("filters are not available: the data of router " + router.name() +
                      " begin with #Exim filter or #Sieve filter");
    }
    Making making{router, context, result, {}};
    const bool is_list = add_list(text, making, 0);
    if (!making.problems.empty()) result.notice = notice_of(making);
    if (!is_list) return result;
    if (result.children.empty()) {
      result.status = DriverStatus::decline;
      return result;
    }
    result.status = DriverStatus::redirected;
    result.message.clear();
    result.one_time = options.one_time;
    result.hides_children = options.hide_child_in_errmsg;
    return result;
  }

 private:
  struct Making {
    const Router& router;
    RouteContext& context;
    DriverResult& result;
    std::vector<std::string> problems;  // of items that were left out
  };

  // What the log says of items that were left out, and the message to syntax_errors_to.
  RouterNotice notice_of(const Making& making) const {
    RouterNotice out;
    const std::string& name = making.router.name();
    for (const std::string& problem : making.problems)
      out.log_lines.push_back(name + " router: skipped error: " + problem);
    if (!options.syntax_errors_to.is_set || making.context.query.is_verifying()) return out;
    acl::EvalContext& evaluation = making.context.evaluation;
    acl::EvalResult to = syntax_errors_to.evaluate(evaluation);
    const acl::EvalResult text = syntax_errors_text.evaluate(evaluation);
    if (!to.ok() || !text.ok()) {
      out.log_lines.push_back("failed to expand syntax_errors_to or syntax_errors_text of " + name +
                              " router: " + (to.ok() ? text.text : to.text));
      return out;
    }
    out.to = std::move(to.text);
    if (!text.text.empty()) out.body = text.text + "\n\n";
    out.body += "The " + name + " router encountered the following error(s):\n\n";
    for (const std::string& problem : making.problems) out.body += "  " + problem + "\n\n";
    out.body += making.result.children.empty() ? "No valid addresses were found.\n"
                                               : "Other addresses were processed normally.\n";
    return out;
  }

  static DriverResult deferred(std::string message) {
    DriverResult result;
    result.status = DriverStatus::defer;
    result.message = std::move(message);
    return result;
  }

  // Gets the list; false where `result` says that there is none.
  bool read_text(const Router& router, RouteContext& context, std::string& text,
                 DriverResult& result) const {
    const acl::Expansion& option = options.file.is_set ? file : data;
    acl::EvalResult value = option.evaluate(context.evaluation);
    if (value.status == acl::EvalStatus::forced_fail) return false;
    if (!value.ok()) {
      result = deferred("failed to expand \"" + std::string(option.source()) + "\": " + value.text);
      return false;
    }
    if (!options.file.is_set) {
      text = std::move(value.text);
      return true;
    }
    if (!value.text.starts_with('/')) {
      result = deferred("\"" + value.text + "\" of router " + router.name() +
                        " is not an absolute path");
      return false;
    }
    return take_file(value.text, true, context, text, result);
  }

  bool take_file(const std::string& path, bool is_main, RouteContext& context, std::string& text,
                 DriverResult& result) const {
    RedirectFileRules rules;
    rules.is_included = !is_main;
    rules.check_owner =
        is_main && (options.check_owner || context.address.user_id >= 0 || !options.owners.empty());
    rules.check_group = is_main && (options.check_group || !options.owngroups.empty());
    rules.owners = options.owners;
    rules.groups = options.owngroups;
    rules.user_id = context.address.user_id;
    rules.group_id = context.address.group_id;
    rules.forbidden_mode = is_main ? options.modemask.bits : 0;
    RedirectFile read = read_redirect_file(path, rules, context.evaluation.services);
    if (read.problem == 0 && read.message.empty()) {
      text = std::move(read.text);
      return true;
    }
    const bool is_absent = read.problem == ENOENT ||
                           (read.problem == ENOTDIR && options.ignore_enotdir) ||
                           (read.problem == EACCES && options.ignore_eacces);
    if (is_absent && is_main) return false;  // declines
    result = deferred(is_main ? read.message : error_text(read.message));
    return false;
  }

  // False where the redirection has its result without children.
  bool add_list(std::string_view text, Making& making, int depth) const {
    RedirectList list = parse_redirect_list(text);
    for (RedirectItem& item : list.items) {
      // A special item means the whole: what is wrong elsewhere does not matter then.
      if (list.special != RedirectSpecial::none) break;
      if (!add_item(item, making, depth)) return false;
    }
    if (list.special == RedirectSpecial::none) return true;
    apply_special(list, making);
    return false;
  }

  void apply_special(RedirectList& list, Making& making) const {
    DriverResult& result = making.result;
    result.children.clear();
    const bool refused = (list.special == RedirectSpecial::fail && !options.allow_fail) ||
                         (list.special == RedirectSpecial::defer && !options.allow_defer) ||
                         (list.special == RedirectSpecial::blackhole && options.forbid_blackhole);
    if (refused) {
      std::string item(redirect_special_name(list.special));
      if (!list.message.empty()) item += " " + list.message;
      result = deferred(error_text("\"" + item + "\" is not permitted"));
      return;
    }
    result.message =
        options.forbid_smtp_code ? without_code(std::move(list.message)) : std::move(list.message);
    result.message_is_for_user = true;
    switch (list.special) {
      case RedirectSpecial::blackhole:
        result.status = DriverStatus::discard;
        return;
      case RedirectSpecial::fail:
        result.status = DriverStatus::fail;
        return;
      case RedirectSpecial::defer:
        result.status = DriverStatus::defer;
        return;
      case RedirectSpecial::unknown:
      case RedirectSpecial::none:
        result.status = DriverStatus::decline;
        result.message.clear();
        result.message_is_for_user = false;
        return;
    }
  }

  static std::string without_code(std::string text) {
    int code = 0;
    std::string enhanced;
    std::string problem;  // the class of the code does not matter here
    acl::take_reply_code(acl::AclVerdict::deny, text, code, enhanced, problem);
    return text;
  }

  std::string error_text(std::string_view problem) const {
    return std::string("error in redirect ") + (options.file.is_set ? "file" : "data") + ": " +
           std::string(problem);
  }

  bool add_item(RedirectItem& item, Making& making, int depth) const {
    switch (item.kind) {
      case RedirectItemKind::problem:
        if (options.skip_syntax_errors) {
          making.result.message = "syntax error in redirection data";
          making.problems.push_back(item.problem);
          return true;
        }
        making.result = deferred(error_text(item.problem));
        return false;
      case RedirectItemKind::include:
        return include(item.text, making, depth);
      case RedirectItemKind::address:
        add_address(item, making);
        return true;
      case RedirectItemKind::pipe:
        add_local(GeneratedKind::pipe, "|" + item.text, "pipe_transport", pipe_transport,
                  !options.forbid_pipe, making);
        return true;
      case RedirectItemKind::file:
        add_local(GeneratedKind::file, item.text, "file_transport", file_transport,
                  !options.forbid_file, making);
        return true;
      case RedirectItemKind::directory:
        add_local(GeneratedKind::directory, item.text, "directory_transport", directory_transport,
                  !options.forbid_file, making);
        return true;
    }
    return true;
  }

  bool include(const std::string& path, Making& making, int depth) const {
    std::string problem;
    const std::string& below = options.include_directory;
    const bool is_below =
        below.empty() || (path.starts_with(below) && path.substr(below.size()).starts_with('/') &&
                          path.find("/../") == std::string::npos);
    if (options.forbid_include)
      problem = "included files not permitted";
    else if (!path.starts_with('/'))
      problem = "included file \"" + path + "\" is not an absolute path";
    else if (!is_below)
      problem = "included file " + path + " is not in directory " + below;
    else if (depth >= kIncludeDepthMax)
      problem = "included files are nested too deeply at " + path;
    if (!problem.empty()) {
      making.result = deferred(error_text(problem));
      return false;
    }
    std::string text;
    if (!take_file(path, false, making.context, text, making.result)) return false;
    return add_list(text, making, depth + 1);
  }

  std::string qualify(const RedirectItem& item, const RouteContext& context) const {
    if (item.escaped || options.qualify_preserve_domain) return context.address.domain;
    if (!options.qualify_domain.empty()) return options.qualify_domain;
    return context.query.server != nullptr ? context.query.server->qualify_recipient : "";
  }

  void add_address(const RedirectItem& item, Making& making) const {
    const RouteQuery& query = making.context.query;
    GeneratedAddress child;
    if (item.has_domain) {
      const message::AddressParts parts = message::split_address(item.text);
      child.local_part = parts.local_part;
      child.domain = to_lower(parts.domain);
      child.text = item.text;
    } else {
      const std::string domain = qualify(item, making.context);
      child.local_part = item.text;
      child.domain = to_lower(domain);
      child.text = item.text + "@" + domain;
    }
    apply_rewriting(child, making.context.evaluation);
    if (options.check_ancestor && is_ancestor(child, query)) {
      child.local_part = query.local_part;
      child.domain = query.domain;
      child.text = child.local_part + "@" + child.domain;
    }
    making.result.children.push_back(std::move(child));
  }

  void apply_rewriting(GeneratedAddress& child, acl::EvalContext& evaluation) const {
    if (!options.rewrite || rewriting == nullptr || !rewriting->has(rewrite::kEnvelopeTo)) return;
    rewrite::Rewritten rewritten = rewriting->rewrite(child.text, rewrite::kEnvelopeTo, evaluation);
    if (!rewritten.changed) return;
    const message::AddressParts parts = message::split_address(rewritten.address);
    child.local_part = parts.local_part;
    child.domain = to_lower(parts.domain);
    child.text = std::move(rewritten.address);
  }

  static bool is_ancestor(const GeneratedAddress& child, const RouteQuery& query) {
    for (const RouteAncestor* at = query.parent; at != nullptr; at = at->parent) {
      if (equals_ignore_case(at->local_part, child.local_part) && at->domain == child.domain)
        return true;
    }
    return false;
  }

  static void add_local(GeneratedKind kind, std::string text, std::string_view option,
                        const acl::Expansion& transport, bool allowed, Making& making) {
    GeneratedAddress child;
    child.kind = kind;
    child.text = std::move(text);
    child.local_part = making.context.address.local_part;
    child.domain = making.context.address.domain;
    child.allowed = allowed;
    const acl::EvalResult name = transport.evaluate(making.context.evaluation);
    const auto found = making.context.transports.find(name.ok() ? name.text : "");
    if (found != making.context.transports.end()) {
      child.transport = found->second;
    } else if (name.ok() && name.text.empty()) {
      child.problem = std::string(option) + " unset in " + making.router.name() + " router";
    } else {
      child.problem = "transport \"" + name.text + "\" not found in " + making.router.name() +
                      " router: " + std::string(option);
    }
    making.result.children.push_back(std::move(child));
  }
};

acl::Expansion compile(const config::ConfigText& text, const RouterCompileContext& context) {
  if (!text.is_set) return {};
  const acl::CompileOptions options{&context.lists, false};
  return acl::compile_expansion(text.text, options, context.diagnostics).value_or(acl::Expansion());
}

acl::Expansion compile_transport(const config::ConfigText& text,
                                 const RouterCompileContext& context) {
  acl::Expansion name = compile(text, context);
  if (text.is_set && name.is_constant() && context.transports.find(name.constant()) < 0) {
    context.diagnostics.error(text.text.begin_place(),
                              "there is no transport \"" + std::string(name.constant()) + "\"",
                              config::did_you_mean(name.constant(), context.transports.all()));
  }
  return name;
}

}  // namespace

DriverResult redirect_to(std::string_view list, std::shared_ptr<const rewrite::RewriteRules> rules,
                         const Router& router, RouteContext& context) {
  RedirectRouter driver;
  driver.options.allow_fail = true;
  driver.options.forbid_blackhole = true;
  driver.options.forbid_file = driver.options.forbid_pipe = true;
  driver.rewriting = std::move(rules);
  DriverResult result = driver.redirect(std::string(list), router, context);
  // There is no option that could name a transport of a file: that it is forbidden is all.
  for (GeneratedAddress& child : result.children) child.problem.clear();
  if (result.status != DriverStatus::decline) return result;
  result.status = DriverStatus::defer;
  result.message = "error in redirect data: no addresses supplied";
  return result;
}

std::unique_ptr<config::OptionBinding> redirect_options() {
  return std::make_unique<config::OwnOptions<RedirectOptions>>(redirect_option_rows());
}

std::unique_ptr<RouterDriver> make_redirect_router(const config::Instance& instance,
                                                   config::OptionBinding& generic,
                                                   const RouterCompileContext& context) {
  auto driver = std::make_unique<RedirectRouter>();
  RedirectOptions& options = driver->options;
  config::OptionTarget<RedirectOptions> own(redirect_option_rows(), options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "redirect router");
  if (options.data.is_set == options.file.is_set) {
    context.diagnostics.error(instance.place,
                              "router \"" + instance.name + "\" needs one of data and file");
  }
  if (const config::Setting* setting = instance.find("transport")) {
    context.diagnostics.error(setting->place, "a redirect router has no transport",
                              "pipe_transport, file_transport or directory_transport");
  }
  if (options.one_time && (!options.forbid_pipe || !options.forbid_file)) {
    options.forbid_pipe = options.forbid_file = true;  // what one_time implies
  }
  driver->rewriting = context.rewrite;
  driver->data = compile(options.data, context);
  driver->file = compile(options.file, context);
  driver->pipe_transport = compile_transport(options.pipe_transport, context);
  driver->file_transport = compile_transport(options.file_transport, context);
  driver->directory_transport = compile_transport(options.directory_transport, context);
  driver->syntax_errors_to = compile(options.syntax_errors_to, context);
  driver->syntax_errors_text = compile(options.syntax_errors_text, context);
  return driver;
}

}  // namespace godwit::delivery
