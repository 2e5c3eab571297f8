// The queryprogram router: a program says how to route an address. One line of its output decides:
//   ACCEPT [transport=t] [hosts=list] [lookup=byname|bydns] [data=text]
//   DECLINE, PASS, FAIL text, DEFER text, FREEZE text, REDIRECT list
// EXIM.md 2.7.
#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "core/io/process.h"
#include "delivery/route/driver_table.h"
#include "delivery/route/listed_hosts.h"
#include "delivery/route/local_user.h"

#include <unistd.h>

#include <array>

namespace godwit::delivery {
namespace {

constexpr size_t kReplyBytesMax = 1023;         // of the line; what follows is not looked at
constexpr size_t kOutputBytesMax = 64u * 1024;  // as much as a pipe holds

struct QueryprogramOptions {
  config::ExpandText command;
  std::string command_group;
  std::string command_user;
  std::string current_directory;
  Seconds timeout{3600};
};

using config::Effect;
using Options = QueryprogramOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<QueryprogramOptions>>({
    {"command",           &Options::command,           "",   Effect::now, "the program and its arguments, each expanded"},
    {"command_group",     &Options::command_group,     "",   Effect::now, "group that it runs as"},
    {"command_user",      &Options::command_user,      "",   Effect::now, "user that it runs as"},
    {"current_directory", &Options::current_directory, "/",  Effect::now, "where it runs"},
    {"timeout",           &Options::timeout,           "1h", Effect::now, "time that it has; then the message is frozen; 0: no limit"},
});
// clang-format on

std::string_view take_word(std::string_view& text) {
  text = trim_left(text);
  size_t end = 0;
  while (end < text.size() && !is_space(text[end])) ++end;
  const std::string_view word = text.substr(0, end);
  text = trim_left(text.substr(end));
  return word;
}

// The value of key=value or key="va lue" in `text`.
std::optional<std::string> keyed_value(std::string_view text, std::string_view key) {
  while (!(text = trim_left(text)).empty()) {
    size_t end = 0;
    while (end < text.size() && !is_space(text[end]) && text[end] != '=') ++end;
    const std::string_view name = text.substr(0, end);
    text = trim_left(text.substr(end));
    if (text.starts_with('=')) text = trim_left(text.substr(1));
    std::string value;
    size_t at = 0;
    if (text.starts_with('"')) {
      for (at = 1; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        value += text[at];
      }
      at = std::min(at + 1, text.size());
    } else {
      while (at < text.size() && !is_space(text[at])) value += text[at++];
    }
    text.remove_prefix(at);
    if (equals_ignore_case(name, key)) return value;
  }
  return std::nullopt;
}

DriverResult unsuccessful(DriverStatus status, std::string message) {
  DriverResult result;
  result.status = status;
  result.message = std::move(message);
  return result;
}

DriverResult deferred(std::string message) {
  return unsuccessful(DriverStatus::defer, std::move(message));
}

class QueryprogramRouter final : public RouterDriver {
 public:
  QueryprogramOptions options;
  std::vector<acl::Expansion> words;
  std::shared_ptr<const rewrite::RewriteRules> rewriting;

  bool needs_transport() const noexcept override { return false; }

  DriverResult route(const Router& router, RouteContext& context) const override {
    ProcessOptions process;
    std::string problem = set_up(router, context, process);
    if (!problem.empty()) return deferred(std::move(problem));
    const acl::Services* services = context.query.services;
    if (services == nullptr || services->loop == nullptr || !Fiber::is_current())
      return deferred(router.name() + " router: a program cannot be run here");
    const std::string command = process.arguments.front();
    const Result<ProcessOutcome> ended = wait_for(run_process(*services->loop, std::move(process)));
    if (context.query.trace != nullptr) {
      const std::string how = ended_how(ended);
      context.query.trace->event({acl::TraceKind::exec, {}, command, how, {}});
    }
    const std::string who = router.name() + " router: ";
    if (!ended) {
      if (ended.error().code() == Errc::timed_out)
        return unsuccessful(DriverStatus::freeze, who + "command timed out");
      return deferred(not_run(router, ended.error()));
    }
    if (ended->signal != 0)
      return deferred(who + "command killed by signal " + std::to_string(ended->signal));
    if (ended->exit_status != 0)
      return deferred(who + "command returned non-zero code " + std::to_string(ended->exit_status));
    if (ended->output.empty()) return deferred(who + "command failed to return data");
    return judge(std::string_view(ended->output).substr(0, kReplyBytesMax), router, context);
  }

 private:
  static std::string not_run(const Router& router, const Error& error) {
    const bool is_program =
        error.code() == Errc::not_found || error.code() == Errc::permission_denied;
    if (is_program) return router.name() + " router: command returned non-zero code 127";
    return router.name() + " router couldn't create child process: " + error.to_string();
  }

  // Empty, or why the program cannot be run.
  std::string set_up(const Router& router, RouteContext& context, ProcessOptions& process) const {
    for (const acl::Expansion& word : words) {
      acl::EvalResult value = word.evaluate(context.evaluation);
      if (!value.ok()) {
        return "Expansion of \"" + std::string(word.source()) + "\" from command in " +
               router.name() + " router failed: " + value.text;
      }
      if (value.tainted)
        return "Tainted arg " + std::to_string(process.arguments.size()) +
               " for queryprogram router command: '" + escape_control(value.text) + "'";
      process.arguments.push_back(std::move(value.text));
    }
    process.directory = options.current_directory;
    process.merge_error = true;
    process.output_bytes_max = kOutputBytesMax;
    process.timeout = options.timeout.count == 0 ? Millis{INT32_MAX} : Millis(options.timeout);
    if (::geteuid() != 0) return {};  // it runs as we do
    return set_user(context, process);
  }

  std::string set_user(RouteContext& context, ProcessOptions& process) const {
    const acl::Services* services = context.query.services;
    const Result<std::optional<LocalUser>> user =
        find_local_user(options.command_user, true, services);
    if (!user) return user.error().detail();
    if (!*user) return "user \"" + options.command_user + "\" (command_user) was not found";
    process.user = (*user)->uid;
    process.group = (*user)->gid;
    if (options.command_group.empty()) return {};
    const Result<std::optional<uint32_t>> group = find_local_group(options.command_group, services);
    if (!group) return group.error().detail();
    if (!*group) return "group \"" + options.command_group + "\" (command_group) was not found";
    process.group = **group;
    return {};
  }

  DriverResult judge(std::string_view reply, const Router& router, RouteContext& context) const {
    reply = trim(reply);
    const std::string_view word = take_word(reply);
    if (equals_ignore_case(word, "accept")) return accept(reply, router, context);
    if (equals_ignore_case(word, "decline")) return {};
    if (equals_ignore_case(word, "pass")) return unsuccessful(DriverStatus::pass, {});
    if (equals_ignore_case(word, "redirect")) return redirect(reply, router, context);
    const std::string text(reply);
    if (equals_ignore_case(word, "fail")) {
      DriverResult result = unsuccessful(DriverStatus::fail, text);
      result.message_is_for_user = true;
      return result;
    }
    if (equals_ignore_case(word, "freeze")) return unsuccessful(DriverStatus::freeze, text);
    if (equals_ignore_case(word, "defer")) return deferred(text);
    return deferred("bad command yield: " + std::string(word) + " " + text);
  }

  DriverResult redirect(std::string_view list, const Router& router, RouteContext& context) const {
    return redirect_to(list, rewriting, router, context);
  }

  static DriverResult accept(std::string_view fields, const Router& router, RouteContext& context) {
    DriverResult result;
    result.status = DriverStatus::routed;
    if (const auto data = keyed_value(fields, "data")) context.address.address_data = *data;
    if (const auto name = keyed_value(fields, "transport")) {
      const auto found = context.transports.find(*name);
      if (found == context.transports.end())
        return deferred("unknown transport name " + *name + " yielded by command");
      result.transport = found->second;
    }
    ListedHosts wanted;
    if (const auto lookup = keyed_value(fields, "lookup")) {
      if (equals_ignore_case(*lookup, "byname")) {
        wanted.method = FindMethod::byname;
      } else if (equals_ignore_case(*lookup, "bydns")) {
        wanted.method = FindMethod::bydns;
      } else {
        return deferred("bad lookup type \"" + *lookup + "\" yielded by command");
      }
    }
    wanted.text = keyed_value(fields, "hosts").value_or("");
    wanted.if_missing = "defer";
    if (trim(wanted.text).empty()) return result;
    return find_listed_hosts(wanted, router, context, std::move(result));
  }
};

// The next word of a command; in single quotes backslashes stand for themselves.
config::LocatedText next_argument(config::LocatedText& left) {
  left = left.trimmed();
  if (!left.view().starts_with('\'')) return next_word(left);
  const size_t end = std::min(left.view().find('\'', 1), left.view().size());
  const config::LocatedText word = left.substr(1, end - 1);
  left = left.substr(std::min(end + 1, left.view().size()));
  return word;
}

void compile_command(const config::LocatedText& text, std::vector<acl::Expansion>& words,
                     const RouterCompileContext& context) {
  const acl::CompileOptions options{&context.lists, false};
  config::LocatedText left = text;
  while (!left.trimmed().view().empty()) {
    const config::LocatedText word = next_argument(left);
    words.push_back(
        acl::compile_expansion(word, options, context.diagnostics).value_or(acl::Expansion()));
  }
}

}  // namespace

std::unique_ptr<config::OptionBinding> queryprogram_options() {
  return std::make_unique<config::OwnOptions<QueryprogramOptions>>(kRows);
}

std::unique_ptr<RouterDriver> make_queryprogram_router(const config::Instance& instance,
                                                       config::OptionBinding& generic,
                                                       const RouterCompileContext& context) {
  auto driver = std::make_unique<QueryprogramRouter>();
  QueryprogramOptions& options = driver->options;
  config::OptionTarget<QueryprogramOptions> own(kRows, options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "queryprogram router");
  const auto refuse = [&](std::string text) {
    context.diagnostics.error(instance.place, "router \"" + instance.name + "\" " + text);
  };
  if (!options.command.is_set) refuse("needs a command");
  if (options.command_user.empty()) refuse("needs a command_user");
  if (!options.command_user.empty() && is_digit(options.command_user.front()) &&
      options.command_group.empty())
    refuse("needs a command_group, since command_user is a number");
  if (!options.current_directory.starts_with('/'))
    refuse("needs an absolute path as its current_directory");
  compile_command(options.command.text, driver->words, context);
  driver->rewriting = context.rewrite;
  return driver;
}

}  // namespace godwit::delivery
