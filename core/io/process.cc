#include "core/io/process.h"

#include "core/base/assert.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <csignal>
#include <memory>
#include <utility>

namespace godwit {
namespace {

// The umask that a child inherits from this thread, which gets one of its own for it: other threads
// create files meanwhile.
class WithUmask {
 public:
  explicit WithUmask(std::optional<uint32_t> wanted) {
    if (!wanted) return;
    static thread_local const bool is_own = ::unshare(CLONE_FS) == 0;
    static_cast<void>(is_own);
    before_ = ::umask(static_cast<mode_t>(*wanted));
  }
  ~WithUmask() {
    if (before_) ::umask(*before_);
  }
  WithUmask(const WithUmask&) = delete;
  WithUmask& operator=(const WithUmask&) = delete;

 private:
  std::optional<mode_t> before_;
};

// Lives until its task completed and libuv closed every handle.
class Child {
 public:
  Child(Loop& loop, ProcessOptions options)
      : loop_(loop), options_(std::move(options)), deadline_(&Child::on_deadline, this) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  bool await_ready() { return !start(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  Result<ProcessOutcome> await_resume() {
    if (error_) return std::move(*error_);
    return std::move(outcome_);
  }

 private:
  static constexpr size_t kPipes = 3;

  static Child& of(uv_handle_t* handle) { return *static_cast<Child*>(handle->data); }
  uv_handle_t* process_handle() { return reinterpret_cast<uv_handle_t*>(&process_); }
  uv_handle_t* pipe_handle(size_t i) { return reinterpret_cast<uv_handle_t*>(&pipes_[i]); }
  uv_stream_t* pipe_stream(size_t i) { return reinterpret_cast<uv_stream_t*>(&pipes_[i]); }

  // False where there is nothing to wait for; error_ says why.
  bool start();
  void add_group_setter();
  void feed_input();
  bool set_streams(std::array<uv_stdio_container_t, kPipes>& streams);
  void stop(Errc why, std::string_view detail);
  void close_handle(uv_handle_t* handle);
  void maybe_done();

  static void on_exit(uv_process_t* process, int64_t status, int signal) noexcept;
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept;
  static void on_buffer(uv_handle_t* handle, size_t, uv_buf_t* buffer) noexcept;
  static void on_written(uv_write_t* request, int) noexcept;
  static void on_closed(uv_handle_t* handle) noexcept;
  static void on_deadline(void* self) noexcept;
  static void on_cancel(void* self) noexcept;

  Loop& loop_;
  ProcessOptions options_;
  ProcessOutcome outcome_;
  std::optional<Error> error_;
  std::coroutine_handle<> waiter_;
  TimerNode deadline_;
  CancelWaiter cancelled_;
  uv_process_t process_{};
  std::array<uv_pipe_t, kPipes> pipes_{};
  uv_write_t write_{};
  std::array<char, 16 * 1024> buffer_{};
  int open_ = 0;            // handles that libuv still holds
  int shared_output_ = -1;  // the child's end of one pipe for output and errors
  bool running_ = false;
};

bool Child::set_streams(std::array<uv_stdio_container_t, kPipes>& streams) {
  for (size_t i = 0; i < kPipes; ++i) {
    uv_pipe_init(loop_.uv(), &pipes_[i], 0);
    pipes_[i].data = this;
    ++open_;
    // Flags are as the child sees them.
    const int flags = UV_CREATE_PIPE | (i == 0 ? UV_READABLE_PIPE : UV_WRITABLE_PIPE);
    streams[i].flags = static_cast<uv_stdio_flags>(flags);
    streams[i].data.stream = pipe_stream(i);
  }
  if (options_.socket >= 0) {
    for (size_t i = 0; i < 2; ++i) {
      streams[i].flags = UV_INHERIT_FD;
      streams[i].data.fd = options_.socket;
      close_handle(pipe_handle(i));
    }
    return true;
  }
  if (!options_.merge_error) return true;
  // One pipe for both, so that their order stays.
  std::array<uv_file, 2> ends{};
  const int made = uv_pipe(ends.data(), UV_NONBLOCK_PIPE, 0);
  if (made != 0) {
    error_ = error_from_errno(-made, "pipe");
    return false;
  }
  uv_pipe_open(&pipes_[1], ends[0]);
  shared_output_ = ends[1];
  for (size_t i = 1; i < kPipes; ++i) {
    streams[i].flags = UV_INHERIT_FD;
    streams[i].data.fd = shared_output_;
  }
  close_handle(pipe_handle(2));
  return true;
}

std::vector<char*> pointers_of(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// A child that libuv starts as another user has no additional groups.
void Child::add_group_setter() {
  const std::string user = std::to_string(*options_.user);
  const std::string group = std::to_string(options_.group.value_or(*options_.user));
  options_.arguments.insert(
      options_.arguments.begin(),
      {"/usr/bin/setpriv", "--reuid=" + user, "--regid=" + group, "--init-groups", "--"});
}

bool Child::start() {
  GODWIT_ASSERT(!options_.arguments.empty());
  // A child that ends before it read its input must not end this process.
  static const auto ignored = std::signal(SIGPIPE, SIG_IGN);
  (void)ignored;
  if (options_.cancel != nullptr && options_.cancel->is_cancelled()) {
    error_ = Error(Errc::cancelled);
    return false;
  }
  std::array<uv_stdio_container_t, kPipes> streams{};
  if (!set_streams(streams)) {
    for (size_t i = 0; i < kPipes; ++i) close_handle(pipe_handle(i));
    return true;
  }
  if (options_.user && options_.initgroups) add_group_setter();
  // PATH is not searched: execvp() looks at names without a slash only.
  std::string file = options_.arguments.front();
  if (file.find('/') == std::string::npos) file = "./" + file;
  std::vector<char*> arguments = pointers_of(options_.arguments);
  std::vector<char*> environment;
  if (options_.environment) environment = pointers_of(*options_.environment);

  uv_process_options_t spawn{};
  spawn.exit_cb = &Child::on_exit;
  spawn.file = file.c_str();
  spawn.args = arguments.data();
  spawn.env = options_.environment ? environment.data() : nullptr;
  spawn.cwd = options_.directory.empty() ? nullptr : options_.directory.c_str();
  spawn.flags = UV_PROCESS_DETACHED;
  const bool is_set_here = !options_.initgroups;
  if (options_.user && is_set_here) spawn.flags |= UV_PROCESS_SETUID;
  if (options_.group && is_set_here) spawn.flags |= UV_PROCESS_SETGID;
  spawn.uid = options_.user.value_or(0);
  spawn.gid = options_.group.value_or(0);
  spawn.stdio_count = kPipes;
  spawn.stdio = streams.data();
  int code = 0;
  {
    const WithUmask inherited(options_.umask);
    code = uv_spawn(loop_.uv(), &process_, &spawn);
  }
  process_.data = this;
  ++open_;
  if (shared_output_ >= 0) ::close(shared_output_);
  if (code != 0) {
    error_ = error_from_errno(-code, "run " + options_.arguments.front());
    close_handle(process_handle());
    for (size_t i = 0; i < kPipes; ++i) close_handle(pipe_handle(i));
    return true;
  }
  running_ = true;
  if (options_.socket < 0) uv_read_start(pipe_stream(1), &Child::on_buffer, &Child::on_read);
  if (!options_.merge_error) uv_read_start(pipe_stream(2), &Child::on_buffer, &Child::on_read);
  feed_input();
  loop_.timers().set(deadline_, loop_.clock().now() + options_.timeout);
  if (options_.cancel != nullptr) cancelled_.arm(*options_.cancel, &Child::on_cancel, this);
  return true;
}

void Child::feed_input() {
  if (options_.input.empty()) {
    close_handle(pipe_handle(0));
    return;
  }
  write_.data = this;
  const uv_buf_t bytes =
      uv_buf_init(options_.input.data(), static_cast<unsigned>(options_.input.size()));
  // A child that does not read its input gives an error here, which is its own affair.
  if (uv_write(&write_, pipe_stream(0), &bytes, 1, &Child::on_written) != 0) {
    close_handle(pipe_handle(0));
  }
}

void Child::close_handle(uv_handle_t* handle) {
  if (!uv_is_closing(handle)) uv_close(handle, &Child::on_closed);
}

// Kills all of the group. The pipes are closed, too: a grandchild that left the group may hold
// them.
void Child::stop(Errc why, std::string_view detail) {
  if (!error_) error_ = Error(why, std::string(detail));
  if (running_) uv_kill(-process_.pid, SIGKILL);
  for (size_t i = 0; i < kPipes; ++i) close_handle(pipe_handle(i));
}

void Child::maybe_done() {
  if (open_ > 0) return;
  deadline_.disarm();
  cancelled_.disarm();
  std::exchange(waiter_, {}).resume();
}

void Child::on_exit(uv_process_t* process, int64_t status, int signal) noexcept {
  Child& self = of(reinterpret_cast<uv_handle_t*>(process));
  self.running_ = false;
  self.outcome_.exit_status = static_cast<int>(status);
  self.outcome_.signal = signal;
  self.close_handle(self.process_handle());
}

void Child::on_buffer(uv_handle_t* handle, size_t, uv_buf_t* buffer) noexcept {
  Child& self = of(handle);
  *buffer = uv_buf_init(self.buffer_.data(), static_cast<unsigned>(self.buffer_.size()));
}

void Child::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept {
  auto* handle = reinterpret_cast<uv_handle_t*>(stream);
  Child& self = of(handle);
  if (count < 0) {
    self.close_handle(handle);
    return;
  }
  const bool is_error = handle == self.pipe_handle(2);
  std::string& into = is_error ? self.outcome_.error_output : self.outcome_.output;
  into.append(buffer->base, static_cast<size_t>(count));
  const size_t total = self.outcome_.output.size() + self.outcome_.error_output.size();
  if (total > self.options_.output_bytes_max) self.stop(Errc::too_long, "output of the command");
}

void Child::on_written(uv_write_t* request, int) noexcept {
  Child& self = *static_cast<Child*>(request->data);
  self.close_handle(self.pipe_handle(0));
}

void Child::on_closed(uv_handle_t* handle) noexcept {
  Child& self = of(handle);
  --self.open_;
  self.maybe_done();
}

void Child::on_deadline(void* self) noexcept {
  static_cast<Child*>(self)->stop(Errc::timed_out, "command");
}

void Child::on_cancel(void* self) noexcept {
  static_cast<Child*>(self)->stop(Errc::cancelled, "command");
}

}  // namespace

Task<Result<ProcessOutcome>> run_process(Loop& loop, ProcessOptions options) {
  Child child(loop, std::move(options));
  co_return co_await child;
}

std::string ended_how(const Result<ProcessOutcome>& outcome) {
  if (!outcome) return outcome.error().to_string();
  if (outcome->signal != 0) return "killed by signal " + std::to_string(outcome->signal);
  return "exited with " + std::to_string(outcome->exit_status);
}

}  // namespace godwit
