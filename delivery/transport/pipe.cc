#include "delivery/transport/pipe.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "core/io/process.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace godwit::delivery {
namespace {

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
  return escape_control(trim(text.substr(0, text.find('\n'))).substr(0, 256));
}

DeliveryOutcome refusal(OutcomeKind kind, std::string text) {
  DeliveryOutcome out;
  out.kind = kind;
  out.scope = FailureScope::local;
  out.text = std::move(text);
  return out;
}

// The words of a command: quotes hold blanks; in double ones a backslash takes the next character.
std::vector<std::string> split_pipe_words(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim_left(text)).empty()) {
    std::string& word = words.emplace_back();
    const char quote = text.front() == '"' || text.front() == '\'' ? text.front() : '\0';
    size_t at = quote == '\0' ? 0 : 1;
    for (; at < text.size(); ++at) {
      if (quote == '\0' ? is_space(text[at]) : text[at] == quote) break;
      if (quote == '"' && text[at] == '\\' && at + 1 < text.size()) ++at;
      word += text[at];
    }
    text.remove_prefix(std::min(at + (quote == '\0' ? 0U : 1U), text.size()));
  }
  return words;
}

}  // namespace

Task<DeliveryOutcome> PipeTransport::deliver(Loop& loop, LocalDelivery delivery) const {
  auto planning = [&] { return plan(delivery); };
  Plan what = co_await on_fiber(planning);
  if (!what.problem.empty()) co_return refusal(OutcomeKind::deferred, std::move(what.problem));
  auto finding = [&] { return find_program(what.arguments.front(), what.path); };
  auto job = blocking(loop, finding);
  std::string program = co_await job;
  if (program.empty()) {
    co_return refusal(
        OutcomeKind::deferred,
        "\"" + what.arguments.front() + "\" command not found for " + name_ + " transport");
  }
  what.arguments.front() = std::move(program);
  const Result<std::optional<RunAs>> who = co_await run_as(loop, what.user, what.group);
  if (!who) co_return refusal(OutcomeKind::deferred, who.error().detail());
  std::string added = added_header_lines(options_, delivery);
  Result<std::string> text =
      co_await whole_text(delivery, what.text, what.prefix, added, what.suffix);
  if (!text) {
    co_return refusal(OutcomeKind::deferred,
                      "the message could not be read: " + text.error().to_string());
  }
  ProcessOptions process;
  process.arguments = what.arguments;
  process.environment = what.environment;
  process.directory = what.directory;
  process.input = std::move(*text);
  process.merge_error = true;
  process.output_bytes_max = static_cast<size_t>(std::max<int64_t>(own_.max_output, 1));
  process.timeout = own_.timeout.count == 0 ? Millis{INT32_MAX} : Millis(own_.timeout);
  if (*who) {
    process.user = (*who)->user;
    process.group = (*who)->group;
    if (!(*who)->login.empty()) process.environment->push_back("USER=" + (*who)->login);
  }
  const Result<ProcessOutcome> ended = co_await run_process(loop, std::move(process));
  if (ended) co_return judge(what, ended->exit_status, ended->signal, ended->output);
  const std::string command = "\"" + what.arguments.front() + "\"";
  switch (ended.error().code()) {
    case Errc::timed_out:
      co_return refusal(own_.timeout_defer ? OutcomeKind::deferred : OutcomeKind::failed,
                        "pipe delivery process timed out");
    case Errc::too_long:
      co_return refusal(OutcomeKind::failed,
                        "Too much output from the command " + command + " - killed");
    case Errc::not_found:
    case Errc::permission_denied:
      co_return refusal(OutcomeKind::failed,
                        "cannot run " + command + ": " + ended.error().to_string());
    default:
      co_return refusal(OutcomeKind::deferred,
                        "running " + command + ": " + ended.error().to_string());
  }
}

// What the end of the command means for the recipient.
DeliveryOutcome PipeTransport::judge(const Plan& what, int exit_status, int signal,
                                     const std::string& output) const {
  const std::string command = what.arguments.front();
  const std::string line = first_line(output);
  DeliveryOutcome out;
  if (signal != 0 && !own_.ignore_status) {
    out = refusal(OutcomeKind::failed, "Child process of " + name_ +
                                           " transport (running command \"" + command +
                                           "\") was terminated by signal " +
                                           std::to_string(signal) + " (" + strsignal(signal) + ")");
  } else if (exit_status != 0 && !own_.ignore_status) {
    const bool later = is_temporary(exit_status);
    out = refusal(later ? OutcomeKind::deferred : OutcomeKind::failed,
                  "Child process of " + name_ + " transport returned " +
                      std::to_string(exit_status) + " from command: " + command);
    const bool shows = later ? own_.log_defer_output : own_.log_fail_output;
    if ((shows || own_.log_output) && !line.empty()) out.text += " (output: " + line + ")";
  } else if (own_.return_output && !output.empty()) {
    out = refusal(OutcomeKind::failed, "the command " + command + " gave output");
  } else {
    out.kind = OutcomeKind::delivered;
    if (own_.log_output && !line.empty()) out.confirmation = line;
    return out;
  }
  const bool returns =
      own_.return_output || (own_.return_fail_output && out.kind == OutcomeKind::failed);
  if (returns && !output.empty()) out.text += "\n" + output;
  return out;
}

bool PipeTransport::is_temporary(int exit_status) const {
  return fails_temporarily_ ||
         std::find(temporary_.begin(), temporary_.end(), exit_status) != temporary_.end();
}

PipeTransport::Plan PipeTransport::plan(const LocalDelivery& delivery) const {
  Plan out;
  if (!plan_command(delivery, out) || !plan_text(delivery, out)) return out;
  const auto value = [&](const acl::Expansion& expansion, const char* what) {
    acl::EvalResult result = expansion.evaluate(delivery.evaluation);
    if (!result.ok())
      out.problem =
          "failed to expand " + std::string(what) + " for " + name_ + " transport: " + result.text;
    return std::move(result.text);
  };
  out.user = value(user_, "user");
  out.group = value(group_, "group");
  if (out.user.empty() && delivery.user) {
    out.user = std::to_string(*delivery.user);
    if (out.group.empty() && delivery.group) out.group = std::to_string(*delivery.group);
  }
  out.directory = value(current_directory_, "current_directory");
  if (out.directory.empty()) out.directory = value(home_directory_, "home_directory");
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
  if (!own_.command.is_set && address != nullptr && !address->pipe.empty()) {
    // A redirection named it: the text is split, and not expanded.
    out.arguments = own_.use_shell ? std::vector{address->pipe} : split_pipe_words(address->pipe);
  }
  for (const acl::Expansion& word : words_) {
    acl::EvalResult result = word.evaluate(delivery.evaluation);
    if (!result.ok()) {
      out.problem = "Expansion of \"" + std::string(word.source()) + "\" from command in " + name_ +
                    " transport failed: " + result.text;
      return false;
    }
    if (result.tainted && (out.arguments.empty() || own_.use_shell)) {
      out.problem = "Tainted \"" + escape_control(result.text) + "\" (command for " + name_ +
                    " transport) not permitted";
      return false;
    }
    out.arguments.push_back(std::move(result.text));
  }
  if (own_.use_shell) {
    out.arguments.insert(out.arguments.begin(), {"/bin/sh", "-c"});
    return true;
  }
  if (out.arguments.empty() || out.arguments.front().empty()) {
    out.problem = "no command specified for " + name_ + " transport";
    return false;
  }
  const std::string name = out.arguments.front();
  if (own_.restrict_to_path && name.find('/') != std::string::npos) {
    out.problem = "\"/\" found in \"" + name + "\" (command for " + name_ +
                  " transport) - failed for security reasons";
    return false;
  }
  return true;
}

bool PipeTransport::plan_text(const LocalDelivery& delivery, Plan& out) const {
  out.prefix = from_line(delivery);
  out.suffix = "\n";
  out.text.use_crlf = own_.use_crlf;
  const TextOverride overrides[] = {{own_.message_prefix, message_prefix_, out.prefix},
                                    {own_.message_suffix, message_suffix_, out.suffix},
                                    {own_.check_string, check_string_, out.text.check_string},
                                    {own_.escape_string, escape_string_, out.text.escape_string}};
  out.problem = apply_overrides(overrides, delivery.evaluation);
  return out.problem.empty();
}

// What Exim gives to a command (its manual, "Environment variables").
void PipeTransport::plan_environment(const LocalDelivery& delivery, Plan& out) const {
  const acl::EvalContext& context = delivery.evaluation;
  const auto add = [&](std::string_view name, std::string_view value) {
    out.environment.push_back(std::string(name) + "=" + std::string(value));
  };
  add("LOCAL_PART", delivery.local_part);
  add("LOGNAME", delivery.local_part);
  add("DOMAIN", delivery.domain);
  add("RECIPIENT", delivery.address);
  add("SENDER", delivery.return_path);
  add("MESSAGE_ID", delivery.envelope.message_id);
  if (context.server != nullptr) {
    add("QUALIFY_DOMAIN", context.server->qualify_domain);
    add("HOST", context.server->primary_hostname);
  }
  add("SHELL", "/bin/sh");
  if (!out.path.empty()) add("PATH", out.path);
  const acl::EvalResult home = home_directory_.evaluate(delivery.evaluation);
  if (home.ok() && !home.text.empty()) add("HOME", home.text);
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
