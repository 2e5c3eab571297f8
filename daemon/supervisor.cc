#include "daemon/supervisor.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/clock.h"
#include "daemon/blocking_log.h"
#include "daemon/ticket_sharing.h"
#include "daemon/worker.h"
#include "delivery/route/local_user.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace godwit::daemon {
namespace {

// A worker that dies younger than this is started again only after the same time.
constexpr Seconds kRespawnPause{1};
// After TERM workers have their own grace; whoever is left then is killed.
constexpr Seconds kStopPatience{20};
constexpr std::array kSignals{SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGUSR1};

WallTime wall_now() {
  return SystemClock().wall();
}

void keep_over_exec(int descriptor) {
  ::fcntl(descriptor, F_SETFD, 0);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

// --- The worker's argument -----------------------------------------------------------------------

std::string format_worker_argument(const WorkerArgument& argument) {
  std::string out =
      "--worker=" + std::to_string(argument.index) + "," + std::to_string(argument.workers) + "," +
      std::to_string(argument.section) + "," + std::to_string(argument.counts_descriptor) + "," +
      std::to_string(argument.ready_descriptor) + "," +
      std::to_string(argument.tickets_descriptor) + "," +
      std::to_string(argument.beat_interval.count) + "," + (argument.announces ? "1" : "0") + ",";
  for (int descriptor : argument.listen_descriptors) out += std::to_string(descriptor) + ".";
  return out;
}

std::optional<WorkerArgument> parse_worker_argument(std::string_view text) {
  constexpr std::string_view kPrefix = "--worker=";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  std::array<uint64_t, 8> numbers{};
  for (uint64_t& number : numbers) {
    const size_t comma = text.find(',');
    const std::optional<uint64_t> value = parse_decimal(text.substr(0, comma));
    if (!value || comma == std::string_view::npos) return std::nullopt;
    number = *value;
    text.remove_prefix(comma + 1);
  }
  WorkerArgument out;
  out.index = numbers[0];
  out.workers = numbers[1];
  out.section = numbers[2];
  out.counts_descriptor = static_cast<int>(numbers[3]);
  out.ready_descriptor = static_cast<int>(numbers[4]);
  out.tickets_descriptor = static_cast<int>(numbers[5]);
  out.beat_interval = Millis{static_cast<int64_t>(numbers[6])};
  out.announces = numbers[7] != 0;
  while (!text.empty()) {
    const size_t dot = text.find('.');
    const std::optional<uint64_t> value = parse_decimal(text.substr(0, dot));
    if (!value || dot == std::string_view::npos) return std::nullopt;
    out.listen_descriptors.push_back(static_cast<int>(*value));
    text.remove_prefix(dot + 1);
  }
  return out;
}

// --- Privileges ----------------------------------------------------------------------------------

namespace {

// One with a login, whose groups it can have.
std::optional<delivery::LocalUser> worker_user(const ServerConfig& config) {
  const std::string& name = config.options().exim_user;
  Result<std::optional<delivery::LocalUser>> user =
      delivery::ask_local_user(name.empty() ? "godwit" : name, !name.empty());
  if (!user || !*user || (*user)->login.empty()) return std::nullopt;
  return std::move(**user);
}

std::optional<gid_t> worker_group(const ServerConfig& config, const delivery::LocalUser& user) {
  const std::string& name = config.options().exim_group;
  if (name.empty()) return user.gid;
  const Result<std::optional<uint32_t>> group = delivery::ask_local_group(name);
  if (!group || !*group) return std::nullopt;
  return **group;
}

}  // namespace

Result<std::string> drop_privileges(const ServerConfig& config) {
  if (geteuid() != 0) return std::string();
  const std::optional<delivery::LocalUser> user = worker_user(config);
  if (!user) {
    if (!config.options().exim_user.empty()) {
      return Error(Errc::not_found, "user " + config.options().exim_user + " (exim_user)");
    }
    return std::string("running as root: set exim_user, or make a user \"godwit\"");
  }
  const std::optional<gid_t> group = worker_group(config, *user);
  if (!group)
    return Error(Errc::not_found, "group " + config.options().exim_group + " (exim_group)");
  if (initgroups(user->login.c_str(), *group) != 0 || setgid(*group) != 0 ||
      setuid(user->uid) != 0) {
    return error_from_errno(errno, "become user " + user->login);
  }
  if (user->uid != 0 && setuid(0) == 0) return Error(Errc::internal, "root could be had back");
  return std::string();
}

// The user of the workers owns what root has made.
void Supervisor::drop_privileges_of_directories() const {
  if (geteuid() != 0) return;
  const std::optional<delivery::LocalUser> user = worker_user(*config_);
  if (!user) return;
  const std::optional<gid_t> group = worker_group(*config_, *user);
  if (!group) return;
  std::vector<std::string> paths;
  for (const char* name : {"", "/shards", "/control", "/db"})
    paths.push_back(config_->spool_directory + name);
  if (!config_->log_paths.messages.directory.empty())
    paths.push_back(config_->log_paths.messages.directory);
  if (!config_->log_paths.messages.kept.empty()) paths.push_back(config_->log_paths.messages.kept);
  for (const std::string* log_path : {&config_->log_paths.main, &config_->log_paths.reject,
                                      &config_->log_paths.panic, &config_->log_paths.json}) {
    if (log_path->empty()) continue;
    paths.push_back(log_path->substr(0, log_path->rfind('/')));
    paths.push_back(*log_path);
  }
  for (const std::string& path : paths) {
    if (::lchown(path.c_str(), user->uid, *group) != 0 && errno != ENOENT) {
      std::fprintf(stderr, "cannot give %s to user %s\n", path.c_str(), user->login.c_str());
    }
  }
}

// --- The supervisor ------------------------------------------------------------------------------

Supervisor::Supervisor(std::shared_ptr<const ServerConfig> config, SupervisorSetup setup)
    : config_(std::move(config)), setup_(std::move(setup)), own_pid_(getpid()) {}

Supervisor::~Supervisor() {
  for (const auto& [at, descriptors] : sockets_) {
    for (int descriptor : descriptors) ::close(descriptor);
  }
  if (signal_descriptor_ >= 0) ::close(signal_descriptor_);
}

void Supervisor::log(const std::string& text) const {
  BlockingLog(*config_).main(LogEvent::daemon, "", text);
}

size_t Supervisor::worker_count() const {
  const int64_t wanted = config_->options().workers;
  const auto cores = static_cast<int64_t>(std::max<long>(1, sysconf(_SC_NPROCESSORS_ONLN)));
  return static_cast<size_t>(std::clamp<int64_t>(wanted > 0 ? wanted : cores, 1, kWorkersMax));
}

Result<void> Supervisor::write_pid_file() const {
  if (config_->pid_file_path.empty()) return {};
  const std::string temporary = config_->pid_file_path + ".new";
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return error_from_errno(errno, "pid file " + temporary);
  const std::string text = std::to_string(getpid()) + "\n";
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!written || ::rename(temporary.c_str(), config_->pid_file_path.c_str()) != 0) {
    return error_from_errno(errno, "pid file " + config_->pid_file_path);
  }
  return {};
}

// The parent stays until the first worker is ready, so that whoever started the daemon can use it.
Result<void> Supervisor::become_daemon() {
  std::array<int, 2> pipe_ends{};
  if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return error_from_errno(errno, "pipe");
  const pid_t child = ::fork();
  if (child < 0) return error_from_errno(errno, "fork");
  if (child > 0) {
    ::close(pipe_ends[1]);
    char answer = 0;
    const bool ready = ::read(pipe_ends[0], &answer, 1) == 1;
    ::_exit(ready ? 0 : 1);
  }
  ::close(pipe_ends[0]);
  announce_descriptor_ = pipe_ends[1];
  ::setsid();
  own_pid_ = getpid();
  if (::chdir("/") != 0) return error_from_errno(errno, "chdir /");
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2 && null >= 0; ++fd) ::dup2(null, fd);
  if (null > 2) ::close(null);
  return {};
}

void Supervisor::block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal_number : kSignals) sigaddset(&set, signal_number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal_descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

std::string Supervisor::announcement() const {
  std::string text = std::string(kProgramName) + " " + std::string(kVersion) +
                     " daemon started: pid=" + std::to_string(own_pid_) + ", ";
  text += setup_.queue_interval.empty() ? "no queue runs" : "-q" + setup_.queue_interval;
  if (sockets_.empty()) return text + ", not listening for SMTP";
  text += ", listening for SMTP on";
  for (const auto& [at, descriptors] : sockets_) text += " " + at.to_string();
  return text;
}

[[noreturn]] void Supervisor::become_worker(size_t index, size_t section, int ready_descriptor) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  WorkerArgument argument;
  argument.index = index;
  argument.workers = worker_count();
  argument.section = section;
  argument.counts_descriptor = counts_->descriptor();
  argument.ready_descriptor = ready_descriptor;
  argument.tickets_descriptor = tickets_descriptor_;
  argument.beat_interval = watch_limits().interval;
  argument.announces = index == 0;
  keep_over_exec(argument.counts_descriptor);
  keep_over_exec(ready_descriptor);
  keep_over_exec(tickets_descriptor_);
  for (const auto& [at, descriptors] : sockets_) {
    for (size_t i = index; i < descriptors.size(); i += argument.workers) {
      keep_over_exec(descriptors[i]);
      argument.listen_descriptors.push_back(descriptors[i]);
    }
  }
  std::vector<std::string> words{"godwit", format_worker_argument(argument)};
  if (index == 0) words.push_back("--announce=" + announcement());
  words.insert(words.end(), setup_.arguments.begin(), setup_.arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv("/proc/self/exe", pointers.data());
  ::_exit(127);
}

bool Supervisor::has_section(size_t section) const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [&](const auto& worker) { return worker.second.section == section; });
}

// Older workers keep counting in their own sections to their end. Where so many generations still
// end that all are taken, two workers share one, which only blurs the counts of single hosts.
size_t Supervisor::free_section() const {
  for (size_t section = 0; section < kCountSections; ++section) {
    if (!has_section(section)) return section;
  }
  return 0;
}

void Supervisor::start_worker(size_t index) {
  const auto failed = [this, index] {
    const std::string why = std::strerror(errno);
    if (missing_.insert(index).second)
      log("cannot start worker " + std::to_string(index) + ": " + why + "; it is tried again");
  };
  std::array<int, 2> pipe_ends{};
  if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return failed();
  const size_t section = free_section();
  const pid_t child = ::fork();
  if (child == 0) become_worker(index, section, pipe_ends[1]);
  if (child < 0) {
    failed();
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    return;
  }
  ::close(pipe_ends[1]);
  missing_.erase(index);
  WorkerProcess worker;
  worker.index = index;
  worker.section = section;
  worker.generation = generation_;
  worker.ready_descriptor = pipe_ends[0];
  worker.started = wall_now();
  worker.limits = watch_limits();
  workers_.emplace(child, worker);
}

void Supervisor::start_generation() {
  ++generation_;
  missing_.clear();
  for (size_t index = 0; index < worker_count(); ++index) start_worker(index);
}

void Supervisor::start_missing() {
  if (stopping_) return;
  for (const size_t index : std::set<size_t>(missing_)) start_worker(index);
}

// Once all workers of the newest generation accept mail, older ones may go.
void Supervisor::retire_older() {
  size_t ready = 0;
  for (const auto& [pid, worker] : workers_) {
    if (worker.generation == generation_ && worker.ready) ++ready;
  }
  if (ready < worker_count()) return;
  for (auto& [pid, worker] : workers_) {
    if (worker.generation == generation_ || worker.retiring) continue;
    worker.retiring = true;
    // One that is not ready has no sessions, and may not know the signal yet.
    ::kill(pid, worker.ready ? kRetireSignal : SIGTERM);
  }
}

void Supervisor::on_ready(pid_t pid) {
  WorkerProcess& worker = workers_.at(pid);
  char byte = 0;
  const ssize_t got = ::read(worker.ready_descriptor, &byte, 1);
  ::close(worker.ready_descriptor);
  worker.ready_descriptor = -1;
  if (got != 1) return;  // it died; reap() sees to it
  worker.ready = true;
  if (worker.generation == generation_) take_back(worker.index);
  retire_older();
  if (announce_descriptor_ < 0) return;
  const bool told = ::write(announce_descriptor_, "r", 1) == 1;
  (void)told;  // whoever started the daemon may have gone
  ::close(announce_descriptor_);
  announce_descriptor_ = -1;
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
       pid = ::waitpid(-1, &status, WNOHANG)) {
    const auto found = workers_.find(pid);
    if (found == workers_.end()) continue;
    const WorkerProcess worker = found->second;
    if (worker.ready_descriptor >= 0) ::close(worker.ready_descriptor);
    workers_.erase(found);
    const bool is_current = worker.generation == generation_;
    if (!has_section(worker.section)) counts_->clear(worker.section);
    if (stopping_ || !is_current) {
      // What an older worker had left in its shard is taken over by the first of the new ones.
      tell_all(SIGUSR1);
      continue;
    }
    std::string how = WIFSIGNALED(status)
                          ? "killed by signal " + std::to_string(WTERMSIG(status))
                          : "exited with status " + std::to_string(WEXITSTATUS(status));
    log("worker " + std::to_string(worker.index) + " (pid " + std::to_string(pid) + ") " + how +
        "; starting another");
    set_aside(worker.index);  // until there is another one
    if (!worker.ready && announce_descriptor_ >= 0) {
      stopping_ = true;  // the first start failed: there is nothing to go on with
      stop_deadline_ = wall_now() + kStopPatience;
      tell_all(SIGTERM);
      continue;
    }
    if (wall_now() - worker.started < Millis(kRespawnPause))
      ::sleep(static_cast<unsigned>(kRespawnPause.count));
    start_worker(worker.index);
  }
}

void Supervisor::reload() {
  config::Diagnostics diagnostics;
  std::shared_ptr<const ServerConfig> config = load_config(setup_.load, diagnostics);
  if (diagnostics.has_errors()) {
    log("SIGHUP received: the new configuration has errors and is not used");
    for (const config::Diagnostic& diagnostic : diagnostics.all()) {
      log(diagnostics.render_short(diagnostic) +
          (diagnostic.hint.empty() ? "" : "; " + diagnostic.hint));
    }
    return;
  }
  const std::shared_ptr<const ServerConfig> before = std::exchange(config_, std::move(config));
  const Result<void> bound = bind_all();
  if (!bound) {
    log("SIGHUP received: " + bound.error().to_string() + "; the old configuration stays");
    config_ = before;
    return;
  }
  const Result<void> made = make_spool_directories(*config_);
  if (!made) log(made.error().to_string());
  drop_privileges_of_directories();
  log("SIGHUP received: new workers start with the new configuration");
  start_generation();
}

void Supervisor::tell_all(int signal_number) {
  for (const auto& [pid, worker] : workers_) {
    // An older worker is ending; it must not be told to do anything else.
    if (signal_number == SIGUSR1 && (worker.generation != generation_ || !worker.ready)) continue;
    ::kill(pid, signal_number);
  }
}

void Supervisor::stop() {
  stopping_ = true;
  stop_deadline_ = wall_now() + kStopPatience;
  tell_all(SIGTERM);
}

int Supervisor::run() {
  raise_descriptor_limit();
  Result<void> step = make_spool_directories(*config_);
  if (step) step = bind_patiently();
  if (step) {
    Result<std::unique_ptr<ConnectionCounts>> counts = ConnectionCounts::make_shared();
    if (counts) {
      counts_ = std::move(*counts);
    } else {
      step = counts.error();
    }
  }
  if (step) {
    const Result<int> tickets = share_ticket_secret(tls::make_ticket_secret(wall_now()));
    if (tickets) {
      tickets_descriptor_ = *tickets;
    } else {
      step = tickets.error();
    }
  }
  if (step && setup_.background) step = become_daemon();
  if (step) step = write_pid_file();
  if (!step) {
    std::fprintf(stderr, "godwit: %s\n", step.error().to_string().c_str());
    log("daemon not started: " + step.error().to_string());
    return 1;
  }
  drop_privileges_of_directories();
  block_signals();
  start_generation();
  const bool waits_to_announce = announce_descriptor_ >= 0;

  while (!stopping_ || !workers_.empty()) {
    std::vector<pollfd> watched{{signal_descriptor_, POLLIN, 0}};
    std::vector<pid_t> waiting;
    for (const auto& [pid, worker] : workers_) {
      if (worker.ready_descriptor < 0) continue;
      watched.push_back({worker.ready_descriptor, POLLIN, 0});
      waiting.push_back(pid);
    }
    ::poll(watched.data(), watched.size(), poll_millis());
    for (size_t i = 0; i < waiting.size(); ++i) {
      if (watched[i + 1].revents != 0) on_ready(waiting[i]);
    }
    signalfd_siginfo info{};
    while (::read(signal_descriptor_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      switch (info.ssi_signo) {
        case SIGHUP:
          if (!stopping_) reload();
          break;
        case SIGTERM:
        case SIGINT:
          stop();
          break;
        case SIGUSR1:
          tell_all(SIGUSR1);
          break;
        default:
          break;
      }
    }
    start_missing();
    reap();
    look_after_workers();
    if (stopping_ && wall_now() > stop_deadline_) tell_all(SIGKILL);
  }
  ::unlink(config_->pid_file_path.c_str());
  log("daemon ended: pid=" + std::to_string(getpid()));
  return waits_to_announce && announce_descriptor_ >= 0 ? 1 : 0;
}

}  // namespace godwit::daemon
