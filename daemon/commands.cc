#include "daemon/commands.h"

#include "acl/lookup/catalogue.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/descriptors.h"
#include "daemon/blocking_log.h"
#include "daemon/environment.h"
#include "daemon/features.h"
#include "daemon/later_options.h"
#include "daemon/print_config.h"
#include "daemon/print_docs.h"
#include "daemon/supervisor.h"
#include "daemon/worker.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace godwit::daemon {
namespace {

// Half a MiB of the kernel's memory for a worker.
constexpr size_t kDescriptorsReserved = 65536;

// The first file of the list that exists; the first of all where none does, so that the message
// names it.
std::string choose_config(const std::string& list) {
  const std::vector<std::string> paths =
      config::split_list(list.empty() ? kDefaultConfigPath : list);
  for (const std::string& path : paths) {
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return paths.empty() ? std::string(kDefaultConfigPath) : paths.front();
}

LoadOptions load_options(const CommandLine& line) {
  LoadOptions load;
  load.path = std::filesystem::absolute(choose_config(line.config_path)).string();
  load.overrides = line.macros;
  load.interfaces_override = line.interfaces;
  load.pid_file_override = line.pid_file;
  return load;
}

// The words that a worker needs to read the same configuration, whatever its working directory.
std::vector<std::string> worker_words(const CommandLine& line, const LoadOptions& load) {
  std::vector<std::string> words{"-C", load.path};
  for (const config::MacroOverride& macro : line.macros)
    words.push_back("-D" + macro.name + "=" + macro.value);
  if (!line.interfaces.empty()) words.insert(words.end(), {"-oX", line.interfaces});
  if (!line.pid_file.empty()) words.insert(words.end(), {"-oP", line.pid_file});
  if (!line.queue_interval.empty()) {
    const std::string name = line.queue_name.empty() ? "" : "G" + line.queue_name + "/";
    words.push_back("-q" + name + line.queue_interval);
  }
  if (line.debug) words.push_back("-d" + line.debug_text);
  return words;
}

std::string names_of(const auto& rows, auto name_of) {
  std::string out;
  for (const auto& row : rows) {
    const std::string_view name = name_of(row);
    if (!name.empty()) out += " " + std::string(name);
  }
  return out;
}

int print_version(const LoadOptions& load) {
  std::printf("%s version %s\n", std::string(kProgramName).c_str(), std::string(kVersion).c_str());
  const std::string support =
      names_of(feature_rows(), [](const FeatureRow& row) { return row.support; });
  std::printf("Support for:%s\n", support.c_str());
  const std::string routers =
      names_of(delivery::router_driver_rows(), [](const delivery::RouterDriverRow& row) {
        return row.make != nullptr ? row.name : std::string_view();
      });
  const std::string transports =
      names_of(delivery::transport_driver_rows(), [](const delivery::TransportDriverRow& row) {
        return row.make != nullptr ? row.name : std::string_view();
      });
  std::printf("%s\nAuthenticators:\nRouters:%s\nTransports:%s\n", acl::lookup_types_line().c_str(),
              routers.c_str(), transports.c_str());
  std::printf("Configuration file is %s\n", load.path.c_str());
  return 0;
}

int run_daemon(const CommandLine& line, const ConfigPointer& config, const LoadOptions& load) {
  SupervisorSetup setup;
  setup.load = load;
  setup.arguments = worker_words(line, load);
  setup.background = !line.foreground && !line.debug;
  setup.listens = line.listens;
  setup.queue_interval = line.queue_interval;
  Supervisor supervisor(config, std::move(setup));
  return supervisor.run();
}

// -bi. Whoever calls runs the command, with no rights but their own.
int rebuild_aliases(const CommandLine& line, const ConfigPointer& config) {
  const std::string& command = config->options().bi_command;
  if (command.empty()) return 0;
  std::vector<char*> words{const_cast<char*>(command.c_str())};
  if (!line.alias_argument.empty()) words.push_back(const_cast<char*>(line.alias_argument.c_str()));
  words.push_back(nullptr);
  if (::setgid(::getgid()) == 0 && ::setuid(::getuid()) == 0) ::execv(words[0], words.data());
  std::fprintf(stderr, "godwit: exec '%s' failed: %s\n", command.c_str(), std::strerror(errno));
  return 1;
}

int run_worker(const CommandLine& line, const ConfigPointer& config) {
  const std::optional<WorkerArgument> argument = parse_worker_argument("--worker=" + line.worker);
  if (!argument) {
    std::fprintf(stderr, "godwit: --worker is for the supervisor's use\n");
    return 1;
  }
  const Result<std::string> dropped = drop_privileges(*config);
  BlockingLog log(*config);
  if (!dropped) {
    log.panic(LogEvent::daemon, "", dropped.error().to_string());
    return 1;
  }
  if (!dropped->empty() && argument->announces) log.main(LogEvent::daemon, "", *dropped);
  // Before there are threads; without it the loop stands still when connections get many.
  const Result<void> reserved = reserve_descriptors(kDescriptorsReserved);
  if (!reserved) log.main(LogEvent::daemon, "", reserved.error().to_string());
  WorkerSetup setup;
  setup.index = argument->index;
  setup.workers = argument->workers;
  setup.listen_descriptors = argument->listen_descriptors;
  setup.counts_descriptor = argument->counts_descriptor;
  setup.counts_section = argument->section;
  setup.ready_descriptor = argument->ready_descriptor;
  setup.tickets_descriptor = argument->tickets_descriptor;
  setup.beat_interval = argument->beat_interval;
  setup.announcement = line.announcement;
  setup.debug = line.debug;
  if (setup.debug) setup.debug->add(DebugSelector::pid);
  if (!line.queue_interval.empty()) {
    const Result<Seconds> interval = config::parse_time(line.queue_interval);
    if (interval) setup.queue_interval = *interval;
    setup.queue_name = line.queue_name;
  }
  Worker worker(config, std::move(setup));
  return worker.run();
}

// log_selector = +arguments. Tests of the configuration, and workers, which have the words of their
// supervisor, are not told.
void log_arguments(const CommandLine& line, const ServerConfig& config) {
  switch (line.mode) {
    case Mode::submit:
    case Mode::daemon:
    case Mode::smtp:
    case Mode::batch_smtp:
    case Mode::list_queue:
    case Mode::count_queue:
    case Mode::queue_run:
    case Mode::act:
    case Mode::show:
      break;
    default:
      return;
  }
  if (!config.options().log_selector.has(config::LogSelector::arguments)) return;
  std::string text = "cwd=" + config.facts.initial_directory + " " +
                     std::to_string(line.words.size() + 1) + " args: " + line.program;
  for (const std::string& word : line.words) {
    const bool is_quoted = word.empty() || word.find_first_of(" \t") != std::string::npos;
    const std::string_view quote = is_quoted ? "\"" : "";
    text.append(" ").append(quote).append(escape_control(word)).append(quote);
  }
  BlockingLog(config).main(LogEvent::note, "", text);
}

}  // namespace

int run_command(const CommandLine& line) {
  if (line.mode == Mode::help) {
    std::fputs(usage().c_str(), stdout);
    return 0;
  }
  if (line.mode == Mode::print_docs)
    return print_docs(line.arguments.empty() ? std::string_view() : line.arguments.front());
  const LoadOptions load = load_options(line);
  config::Diagnostics diagnostics;
  const ConfigPointer config = load_config(load, diagnostics);
  if (line.mode == Mode::check_config) warn_of_later_options(config->document, diagnostics);
  if (!line.queue_interval.empty() && !config::parse_time(line.queue_interval)) {
    std::fprintf(stderr, "godwit: bad time value %s: a number with a unit is one, as in 10m\n",
                 escape_control(line.queue_interval).c_str());
    return 1;
  }
  if (diagnostics.has_errors() || (line.mode == Mode::check_config && !diagnostics.all().empty())) {
    std::fputs(diagnostics.render_all().c_str(), stderr);
  }
  if (diagnostics.has_errors()) {
    std::fprintf(stderr, "godwit: %zu error%s in the configuration\n", diagnostics.error_count(),
                 diagnostics.error_count() == 1 ? "" : "s");
    return 1;
  }
  clean_environment(*config);
  log_arguments(line, *config);
  switch (line.mode) {
    case Mode::check_config:
      return print_version(load);
    case Mode::daemon:
      return run_daemon(line, config, load);
    case Mode::worker:
      return run_worker(line, config);
    case Mode::test_session:
      return test_session(line, config);
    case Mode::explain:
      return explain(line, config);
    case Mode::rebuild_aliases:
      return rebuild_aliases(line, config);
    case Mode::print_config:
      return print_config(*config, line, ::getuid() == 0);
    case Mode::list_queue:
      return list_queue(line, config);
    case Mode::count_queue:
      return count_queue(line, config);
    case Mode::queue_run:
      return run_queue(line, config);
    case Mode::act:
      return act_on_messages(line, config);
    case Mode::show:
      return show_messages(line, config);
    case Mode::smtp:
    case Mode::batch_smtp:
      return submit_smtp(line, config);
    case Mode::submit:
      return submit_message(line, config);
    case Mode::expand:
      return expand_strings(line, config);
    case Mode::test_addresses:
    case Mode::verify_recipients:
    case Mode::verify_sender:
    case Mode::test_rewriting:
      return try_addresses(line, config);
    case Mode::test_retry:
      return test_retry(line, config);
    case Mode::write_note:
      BlockingLog(*config).main(LogEvent::note, "", line.note);
      return 0;
    case Mode::help:
    case Mode::print_docs:
      break;
  }
  return 1;
}

}  // namespace godwit::daemon
