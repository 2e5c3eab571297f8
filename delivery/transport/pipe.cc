#include "delivery/transport/pipe.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "core/io/process.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace godwit::delivery {
namespace {

constexpr int kCannotRun = 127;  // what a shell says of a command that is not there

// sysexits.h, and what shells add.
struct ExitRow {
  int status;
  std::string_view meaning;
};
constexpr std::array kExits{
    ExitRow{64, "usage or syntax error"},
    ExitRow{65, "error in input data"},
    ExitRow{66, "input data missing"},
    ExitRow{67, "user nonexistent"},
    ExitRow{68, "host nonexistent"},
    ExitRow{69, "service or program unavailable"},
    ExitRow{70, "internal software error"},
    ExitRow{71, "internal operating system error"},
    ExitRow{72, "system file missing"},
    ExitRow{73, "can't create output file"},
    ExitRow{74, "input/output error"},
    ExitRow{75, "temporary error"},
    ExitRow{76, "protocol error"},
    ExitRow{77, "permission denied"},
    ExitRow{78, "configuration error"},
    ExitRow{kCannotRun, "unable to exec or command does not exist"},
};

// " (could mean ...)", or nothing.
std::string meaning_of(int status) {
  constexpr int kShellSignals = 128;
  std::string meaning;
  for (const ExitRow& row : kExits) {
    if (row.status == status) meaning = row.meaning;
  }
  const int signal = status - kShellSignals;
  if (signal > 0)
    meaning =
        "shell command ended by signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
  return meaning.empty() ? meaning : " (could mean " + meaning + ")";
}

// The program with its path; empty where there is none. Touches the disk: for the pool.
std::string find_program(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return name;
  for (const std::string& directory : config::split_list(path)) {
    const std::string candidate = directory + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

std::string first_line(std::string_view text) {
  return escape_control(trim_right(text.substr(0, text.find('\n'))).substr(0, 256));
}

DeliveryOutcome refusal(OutcomeKind kind, std::string text) {
  DeliveryOutcome out;
  out.kind = kind;
  out.scope = FailureScope::local;
  out.text = std::move(text);
  return out;
}

// Looks at the disk, before the command is started.
struct Place {
  std::string program;  // empty: there is none
  bool has_directory = true;
};

Place find_place(const std::string& name, std::string_view path, const std::string& directory) {
  Place out;
  out.program = find_program(name, path);
  out.has_directory = directory.empty() || ::access(directory.c_str(), X_OK) == 0;
  return out;
}

}  // namespace

Task<DeliveryOutcome> PipeTransport::deliver(Loop& loop, LocalDelivery delivery) const {
  auto planning = [&] { return plan(delivery); };
  Plan what = co_await on_fiber(planning);
  if (!what.problem.empty()) {
    co_return refusal(what.is_refusal ? OutcomeKind::failed : OutcomeKind::deferred,
                      std::move(what.problem));
  }
  if (own_.pipe_as_creator && !options_.user.is_set && !delivery.envelope.submitter_login.empty()) {
    delivery.user = static_cast<uint32_t>(delivery.envelope.submitter_uid);
    delivery.group = static_cast<uint32_t>(delivery.envelope.submitter_gid);
  }
  ProcessOptions process;
  process.directory = delivery.directory;
  auto finding = [&] { return find_place(what.arguments.front(), what.path, process.directory); };
  auto job = blocking(loop, finding);
  Place place = co_await job;
  if (place.program.empty()) {
    co_return refusal(OutcomeKind::failed, "\"" + what.arguments.front() +
                                               "\" command not found for " + name_ + " transport");
  }
  if (!place.has_directory) {
    co_return refusal(OutcomeKind::deferred, "failed to change to directory " + process.directory +
                                                 " for " + name_ + " transport");
  }
  what.arguments.front() = std::move(place.program);
  const Result<std::optional<RunAs>> who = co_await run_as(loop, *this, delivery);
  if (!who) co_return refusal(OutcomeKind::deferred, who.error().detail());
  Result<std::string> text =
      co_await whole_text(delivery.content, what.text, what.prefix, what.suffix);
  if (!text) {
    co_return refusal(OutcomeKind::deferred,
                      "the message could not be read: " + text.error().to_string());
  }
  process.arguments = what.arguments;
  process.environment = what.environment;
  process.input = std::move(*text);
  process.merge_error = true;
  process.output_bytes_max = static_cast<size_t>(std::max<int64_t>(own_.max_output, 1));
  process.timeout = own_.timeout.count == 0 ? Millis{INT32_MAX} : Millis(own_.timeout);
  process.umask = static_cast<uint32_t>(own_.umask.bits);
  if (*who) become(**who, process);
  const Result<ProcessOutcome> ended = co_await run_process(loop, std::move(process));
  if (!ended) co_return failed_run(what, ended.error());
  co_return judge(what, ended->exit_status, ended->signal, ended->output);
}

// The command could not be run to its end.
DeliveryOutcome PipeTransport::failed_run(const Plan& what, const Error& error) const {
  const std::string command = "\"" + what.arguments.front() + "\"";
  switch (error.code()) {
    case Errc::timed_out:
      return refusal(own_.timeout_defer ? OutcomeKind::deferred : OutcomeKind::failed,
                     "pipe delivery process timed out");
    case Errc::too_long:
      return judge(what, 0, SIGKILL, "*** Too much output ***");
    case Errc::not_found:
    case Errc::permission_denied:
      return judge(what, kCannotRun, 0, "");  // as a shell, or the child of a fork, would say it
    default:
      return refusal(OutcomeKind::deferred, "running " + command + ": " + error.to_string());
  }
}

// What the end of the command means for the recipient.
DeliveryOutcome PipeTransport::judge(const Plan& what, int exit_status, int signal,
                                     const std::string& output) const {
  const std::string command = what.arguments.front();
  const std::string child = "Child process of " + name_ + " transport";
  DeliveryOutcome out;
  if (signal != 0 && !own_.ignore_status) {
    out = refusal(own_.freeze_signal ? OutcomeKind::deferred : OutcomeKind::failed,
                  child + " (running command \"" + command + "\") was terminated by signal " +
                      std::to_string(signal) + " (" + strsignal(signal) + ")");
    out.freezes = own_.freeze_signal;
  } else if (exit_status == kCannotRun && own_.freeze_exec_fail) {
    out = refusal(OutcomeKind::deferred, "pipe process failed to exec \"" + command + "\"");
    out.freezes = true;
  } else if (exit_status != 0 && !own_.ignore_status) {
    const bool later = is_temporary(exit_status);
    out = refusal(later ? OutcomeKind::deferred : OutcomeKind::failed,
                  child + " returned " + std::to_string(exit_status) + meaning_of(exit_status) +
                      " from command: " + command);
  } else if (own_.return_output && !output.empty()) {
    out = refusal(OutcomeKind::failed, "return message generated");
  } else {
    out.kind = OutcomeKind::delivered;
  }
  const bool has_failed = out.kind == OutcomeKind::failed;
  const bool shows = own_.log_output || (own_.log_fail_output && has_failed) ||
                     (own_.log_defer_output && out.kind == OutcomeKind::deferred);
  if (shows) out.output_line = first_line(output);
  if (has_failed && (own_.return_output || own_.return_fail_output)) out.output = output;
  return out;
}

bool PipeTransport::is_temporary(int exit_status) const {
  return fails_temporarily_ ||
         std::find(temporary_.begin(), temporary_.end(), exit_status) != temporary_.end();
}

PipeTransport::Plan PipeTransport::plan(const LocalDelivery& delivery) const {
  Plan out;
  if (!plan_command(delivery, out) || !plan_text(delivery, out)) return out;
  plan_environment(delivery, out);
  return out;
}

bool PipeTransport::plan_command(const LocalDelivery& delivery, Plan& out) const {
  acl::EvalResult path = path_.evaluate(delivery.evaluation);
  if (!path.ok()) {
    out.problem = "failed to expand path for " + name_ + " transport: " + path.text;
    return false;
  }
  out.path = std::move(path.text);
  const acl::AddressFacts* address = delivery.evaluation.address;
  const bool is_named = address != nullptr && !address->pipe.empty() && !own_.force_command;
  if (own_.use_shell) return plan_shell(delivery, is_named, out);
  if (is_named) {
    // A redirection named it: the text is split, and not expanded.
    out.arguments = split_pipe_words(address->pipe);
  } else {
    ExpandedCommand command =
        expand_command(words_, delivery.addresses, name_ + " transport", delivery.evaluation);
    out.arguments = std::move(command.arguments);
    out.problem = std::move(command.problem);
    if (!out.problem.empty()) return false;
  }
  if (out.arguments.empty() || out.arguments.front().empty()) {
    out.problem = "no command specified for " + name_ + " transport";
    return false;
  }
  return check_permitted(delivery, out);
}

bool PipeTransport::plan_shell(const LocalDelivery& delivery, bool is_named, Plan& out) const {
  out.arguments = {"/bin/sh", "-c"};
  if (is_named) {
    out.arguments.push_back(delivery.evaluation.address->pipe);
    return true;
  }
  acl::EvalResult result = shell_command_.evaluate(delivery.evaluation);
  if (!result.ok()) {
    out.problem = "Expansion of \"" + std::string(shell_command_.source()) + "\" from command in " +
                  name_ + " transport failed: " + result.text;
  } else if (result.tainted) {
    out.problem = "Tainted \"" + escape_control(result.text) + "\" (command for " + name_ +
                  " transport) not permitted";
  } else if (trim(result.text).empty()) {
    out.problem = "no command specified for " + name_ + " transport";
  }
  out.arguments.push_back(std::move(result.text));
  return out.problem.empty();
}

// allow_commands and restrict_to_path: what one of them permits may run.
bool PipeTransport::check_permitted(const LocalDelivery& delivery, Plan& out) const {
  if (!own_.allow_commands.is_set && !own_.restrict_to_path) return true;
  const std::string& name = out.arguments.front();
  const acl::EvalResult allowed = allow_commands_.evaluate(delivery.evaluation);
  if (!allowed.ok()) {
    out.problem = "failed to expand allow_commands for " + name_ + " transport: " + allowed.text;
    return false;
  }
  for (const std::string& item : config::split_list(allowed.text)) {
    if (item == name) return true;
  }
  const bool is_on_path = own_.restrict_to_path && name.find('/') == std::string::npos;
  if (is_on_path) return true;
  out.is_refusal = true;
  out.problem = own_.restrict_to_path
                    ? "\"/\" found in \"" + name + "\" (command for " + name_ +
                          " transport) - failed for security reasons"
                    : "\"" + name + "\" command not permitted by " + name_ + " transport";
  return false;
}

bool PipeTransport::plan_text(const LocalDelivery& delivery, Plan& out) const {
  if (!own_.use_bsmtp) {
    out.prefix = from_line(delivery);
    out.suffix = "\n";
  }
  out.text.use_crlf = own_.use_crlf;
  const TextOverride overrides[] = {{own_.message_prefix, message_prefix_, out.prefix},
                                    {own_.message_suffix, message_suffix_, out.suffix},
                                    {own_.check_string, check_string_, out.text.check_string},
                                    {own_.escape_string, escape_string_, out.text.escape_string}};
  out.problem = apply_overrides(overrides, delivery.evaluation);
  if (own_.use_bsmtp) wrap_bsmtp(delivery, out.text, out.prefix, out.suffix);
  return out.problem.empty();
}

// What Exim gives to a command (its manual, "Environment variables").
void PipeTransport::plan_environment(const LocalDelivery& delivery, Plan& out) const {
  const acl::EvalContext& context = delivery.evaluation;
  const auto add = [&](std::string_view name, std::string_view value) {
    out.environment.push_back(std::string(name) + "=" + std::string(value));
  };
  const acl::AddressFacts* address = context.address;
  add("LOCAL_PART", delivery.local_part);
  if (address != nullptr) {
    add("LOCAL_PART_PREFIX", address->local_part_prefix);
    add("LOCAL_PART_SUFFIX", address->local_part_suffix);
    if (!address->host.empty()) add("HOST", address->host);
    add("HOME", address->home);
  }
  add("LOGNAME", delivery.local_part);
  add("USER", delivery.local_part);
  add("DOMAIN", delivery.domain);
  add("RECIPIENT", delivery.address);
  add("SENDER", delivery.return_path);
  add("MESSAGE_ID", delivery.envelope.message_id);
  if (context.server != nullptr) {
    add("QUALIFY_DOMAIN", context.server->qualify_domain);
  }
  add("SHELL", "/bin/sh");
  if (!out.path.empty()) add("PATH", out.path);
  if (const char* zone = std::getenv("TZ"); zone != nullptr && *zone != '\0') add("TZ", zone);
  const acl::EvalResult more = environment_.evaluate(delivery.evaluation);
  if (!more.ok()) {
    out.problem = "failed to expand environment for " + name_ + " transport: " + more.text;
    return;
  }
  for (std::string& item : config::split_list(more.text)) {
    if (!item.empty()) out.environment.push_back(std::move(item));
  }
}

}  // namespace godwit::delivery
