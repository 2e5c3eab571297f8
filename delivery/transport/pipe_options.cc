// The options of the pipe transport, and what is checked at load.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/transport/pipe.h"

#include <array>

namespace godwit::delivery {
namespace {

using Options = PipeOptions;
using config::Effect;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<Options>>({
    {"allow_commands",     &Options::allow_commands,     "",      Effect::now,   "commands that a redirect router may name"},
    {"batch_id",           &Options::batch_id,           "",      Effect::now,   "recipients with the same value share a delivery"},
    {"batch_max",          &Options::batch_max,          "1",     Effect::now,   "recipients of one delivery"},
    {"check_string",       &Options::check_string,       "",      Effect::now,   "body lines that start so are escaped"},
    {"command",            &Options::command,            "",      Effect::now,   "the command, split into words before they are expanded"},
    {"environment",        &Options::environment,        "",      Effect::now,   "list of NAME=value for the command"},
    {"escape_string",      &Options::escape_string,      "",      Effect::now,   "what an escaped line starts with"},
    {"force_command",      &Options::force_command,      "false", Effect::now,   "use command for what a redirect router names"},
    {"freeze_exec_fail",   &Options::freeze_exec_fail,   "false", Effect::now,   "freeze where the command cannot be run"},
    {"freeze_signal",      &Options::freeze_signal,      "false", Effect::now,   "freeze where a signal ended the command"},
    {"ignore_status",      &Options::ignore_status,      "false", Effect::now,   "every exit status is a success"},
    {"log_defer_output",   &Options::log_defer_output,   "false", Effect::now,   "log the first line of the output of a deferral"},
    {"log_fail_output",    &Options::log_fail_output,    "false", Effect::now,   "log the first line of the output of a failure"},
    {"log_output",         &Options::log_output,         "false", Effect::now,   "log the first line of any output"},
    {"max_output",         &Options::max_output,         "20K",   Effect::now,   "output over this ends the command"},
    {"message_prefix",     &Options::message_prefix,     "",      Effect::now,   "text before the message; unset: a From line"},
    {"message_suffix",     &Options::message_suffix,     "",      Effect::now,   "text after the message; unset: an empty line"},
    {"path",               &Options::path,               "/bin:/usr/bin", Effect::now, "where commands without a slash are looked for"},
    {"permit_coredump",    &Options::permit_coredump,    "false", Effect::never, "core dumps are a matter of the service manager"},
    {"pipe_as_creator",    &Options::pipe_as_creator,    "false", Effect::now,   "run as whoever submitted the message"},
    {"restrict_to_path",   &Options::restrict_to_path,   "false", Effect::now,   "refuse commands with a slash"},
    {"return_fail_output", &Options::return_fail_output, "false", Effect::now,   "output of a failure goes into the report"},
    {"return_output",      &Options::return_output,      "false", Effect::now,   "any output is a failure and goes into the report"},
    {"temp_errors",        &Options::temp_errors,        "75:73", Effect::now,   "exit statuses that mean: later; *: all"},
    {"timeout",            &Options::timeout,            "1h",    Effect::now,   "how long the command may take"},
    {"timeout_defer",      &Options::timeout_defer,      "false", Effect::now,   "a timeout defers instead of failing"},
    {"umask",              &Options::umask,              "022",   Effect::now,   "umask of the command"},
    {"use_bsmtp",          &Options::use_bsmtp,          "false", Effect::now,   "batch SMTP instead of a message"},
    {"use_classresources", &Options::use_classresources, "false", Effect::never, "BSD only"},
    {"use_crlf",           &Options::use_crlf,           "false", Effect::now,   "lines end in CRLF"},
    {"use_shell",          &Options::use_shell,          "false", Effect::now,   "a shell gets the command"},
});
// clang-format on

// What excludes each other.
void check_combination(const config::Instance& instance, const Options& options,
                       config::Diagnostics& diagnostics) {
  const auto refuse = [&](std::string_view one, std::string_view other) {
    diagnostics.error(instance.place, std::string(one) + " and " + std::string(other) +
                                          " cannot both be set for the " + instance.name +
                                          " transport");
  };
  if (options.use_shell && options.allow_commands.is_set) refuse("use_shell", "allow_commands");
  if (options.use_shell && options.restrict_to_path) refuse("use_shell", "restrict_to_path");
  if (options.return_output && options.return_fail_output)
    refuse("return_output", "return_fail_output");
  if (options.log_output && options.log_fail_output) refuse("log_output", "log_fail_output");
  if (options.force_command && !options.command.is_set) {
    diagnostics.error(instance.place,
                      "force_command needs a command for the " + instance.name + " transport");
  }
}

}  // namespace

std::unique_ptr<config::OptionBinding> pipe_options() {
  return std::make_unique<config::OwnOptions<PipeOptions>>(kRows);
}

std::unique_ptr<Transport> make_pipe_transport(const config::Instance& instance,
                                               const TransportCompileContext& context) {
  auto transport = std::make_unique<PipeTransport>();
  PipeOptions& options = transport->own_;
  config::OptionTarget<TransportOptions> generic(transport_option_rows(), transport->options_);
  config::OptionTarget<PipeOptions> own(kRows, options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "pipe transport");
  check_combination(instance, options, context.diagnostics);
  if (options.use_shell) {
    transport->shell_command_ = context.expansion(options.command);
  } else if (options.command.is_set) {
    transport->words_ = compile_command(options.command.text, options.force_command, context);
  }
  transport->allow_commands_ = context.expansion(options.allow_commands);
  transport->path_ = context.expansion(options.path);
  transport->environment_ = context.expansion(options.environment);
  transport->message_prefix_ = context.expansion(options.message_prefix);
  transport->message_suffix_ = context.expansion(options.message_suffix);
  transport->check_string_ = context.expansion(options.check_string);
  transport->escape_string_ = context.expansion(options.escape_string);
  for (const std::string& item : config::split_list(options.temp_errors)) {
    const std::optional<uint64_t> status = parse_decimal(item);
    if (item == "*") {
      transport->fails_temporarily_ = true;
    } else if (status && *status < 256) {
      transport->temporary_.push_back(static_cast<int>(*status));
    } else {
      context.diagnostics.error(instance.place, "\"" + item + "\" in temp_errors is no exit status",
                                "numbers below 256, or *");
    }
  }
  return transport;
}

}  // namespace godwit::delivery
