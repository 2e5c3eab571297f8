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
    {"allow_commands",     &Options::allow_commands,     "",      Effect::later, "commands that a redirect router may name"},
    {"batch_id",           &Options::batch_id,           "",      Effect::later, "recipients with the same value share a delivery"},
    {"batch_max",          &Options::batch_max,          "1",     Effect::later, "recipients of one delivery"},
    {"check_string",       &Options::check_string,       "",      Effect::now,   "body lines that start so are escaped"},
    {"command",            &Options::command,            "",      Effect::now,   "the command, split into words before they are expanded"},
    {"environment",        &Options::environment,        "",      Effect::now,   "list of NAME=value for the command"},
    {"escape_string",      &Options::escape_string,      "",      Effect::now,   "what an escaped line starts with"},
    {"force_command",      &Options::force_command,      "false", Effect::later, "use command for what a redirect router names"},
    {"freeze_exec_fail",   &Options::freeze_exec_fail,   "false", Effect::later, "freeze where the command cannot be run"},
    {"freeze_signal",      &Options::freeze_signal,      "false", Effect::later, "freeze where a signal ended the command"},
    {"ignore_status",      &Options::ignore_status,      "false", Effect::now,   "every exit status is a success"},
    {"log_defer_output",   &Options::log_defer_output,   "false", Effect::now,   "log the first line of the output of a deferral"},
    {"log_fail_output",    &Options::log_fail_output,    "false", Effect::now,   "log the first line of the output of a failure"},
    {"log_output",         &Options::log_output,         "false", Effect::now,   "log the first line of any output"},
    {"max_output",         &Options::max_output,         "20K",   Effect::now,   "output over this ends the command"},
    {"message_prefix",     &Options::message_prefix,     "",      Effect::now,   "text before the message; unset: a From line"},
    {"message_suffix",     &Options::message_suffix,     "",      Effect::now,   "text after the message; unset: an empty line"},
    {"path",               &Options::path,               "/bin:/usr/bin", Effect::now, "where commands without a slash are looked for"},
    {"permit_coredump",    &Options::permit_coredump,    "false", Effect::never, "core dumps are a matter of the service manager"},
    {"pipe_as_creator",    &Options::pipe_as_creator,    "false", Effect::later, "run as whoever submitted the message"},
    {"restrict_to_path",   &Options::restrict_to_path,   "false", Effect::now,   "refuse commands with a slash"},
    {"return_fail_output", &Options::return_fail_output, "false", Effect::now,   "output of a failure goes into the report"},
    {"return_output",      &Options::return_output,      "false", Effect::now,   "any output is a failure and goes into the report"},
    {"temp_errors",        &Options::temp_errors,        "75:73", Effect::now,   "exit statuses that mean: later; *: all"},
    {"timeout",            &Options::timeout,            "1h",    Effect::now,   "how long the command may take"},
    {"timeout_defer",      &Options::timeout_defer,      "false", Effect::now,   "a timeout defers instead of failing"},
    {"umask",              &Options::umask,              "022",   Effect::later, "umask of the command"},
    {"use_bsmtp",          &Options::use_bsmtp,          "false", Effect::later, "batch SMTP instead of a message"},
    {"use_classresources", &Options::use_classresources, "false", Effect::never, "BSD only"},
    {"use_crlf",           &Options::use_crlf,           "false", Effect::now,   "lines end in CRLF"},
    {"use_shell",          &Options::use_shell,          "false", Effect::now,   "a shell gets the command"},
});
// clang-format on

}  // namespace

std::vector<config::LocatedText> split_command(const config::LocatedText& command,
                                               config::Diagnostics& diagnostics) {
  std::vector<config::LocatedText> words;
  const std::string_view text = command.view();
  for (size_t at = 0; at < text.size();) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) break;
    const char quote = text[at] == '"' || text[at] == '\'' ? text[at] : '\0';
    const size_t begin = quote == '\0' ? at : at + 1;
    size_t end = begin;
    int braces = 0;
    for (; end < text.size(); ++end) {
      if (quote != '\0' ? text[end] == quote : is_space(text[end]) && braces == 0) break;
      // An item may have blanks inside its braces.
      if (text[end] == '{') ++braces;
      if (text[end] == '}' && braces > 0) --braces;
    }
    if (quote != '\0' && end == text.size()) {
      diagnostics.error(command.at(at), "the quote that begins here does not end");
      return {};
    }
    words.push_back(command.substr(begin, end - begin));
    at = quote == '\0' ? end : end + 1;
  }
  return words;
}

namespace {

void refuse_what_does_not_act(const config::Instance& instance, config::Diagnostics& diagnostics) {
  for (const config::OptionRow<Options>& row : kRows) {
    if (row.effect != Effect::later) continue;
    const config::Setting* setting = instance.find(row.name);
    if (setting == nullptr) continue;
    const std::string value = setting->value ? setting->value->trimmed().text() : "true";
    if (value == "false" || value == "1" || value.empty()) continue;
    if (row.name == "umask" || row.name.starts_with("freeze_")) {
      diagnostics.warning(setting->place, "pipe transport option \"" + std::string(row.name) +
                                              "\" does not act yet");
      continue;
    }
    diagnostics.error(setting->place, "pipe transport option \"" + std::string(row.name) +
                                          "\" is not available yet");
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
  refuse_what_does_not_act(instance, context.diagnostics);
  const acl::CompileOptions compile{&context.lists, false};
  std::vector<config::LocatedText> words;
  if (options.use_shell) {
    words.push_back(options.command.text);
  } else {
    words = split_command(options.command.text, context.diagnostics);
  }
  for (const config::LocatedText& word : words) {
    transport->words_.push_back(
        acl::compile_expansion(word, compile, context.diagnostics).value_or(acl::Expansion()));
  }
  transport->path_ = context.expansion(options.path);
  transport->environment_ = context.expansion(options.environment);
  transport->message_prefix_ = context.expansion(options.message_prefix);
  transport->message_suffix_ = context.expansion(options.message_suffix);
  transport->check_string_ = context.expansion(options.check_string);
  transport->escape_string_ = context.expansion(options.escape_string);
  const TransportOptions& all = transport->options_;
  transport->user_ = context.expansion(all.user);
  transport->group_ = context.expansion(all.group);
  transport->current_directory_ = context.expansion(all.current_directory);
  transport->home_directory_ = context.expansion(all.home_directory);
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
