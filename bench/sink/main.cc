// smtp-sink: takes messages over SMTP or LMTP, checks them against their tokens, and throws them
// away. Ends on SIGTERM and SIGINT, and where its options say.
#include "bench/common/process.h"
#include "bench/sink/sink.h"
#include "core/io/signals.h"

#include <grp.h>
#include <pwd.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

using namespace godwit;
using namespace godwit::bench;

constexpr unsigned kSocketMode = 0666;

int fail(const Error& error) {
  const std::string& text = error.detail().empty() ? error.to_string() : error.detail();
  std::fprintf(stderr, "smtp-sink: %s\n", text.c_str());
  return 1;
}

void on_signal(void* self) noexcept {
  static_cast<Sink*>(self)->stop();
}

Result<int> bind_listener(const SinkOptions& options) {
  // Without a host Postfix's sink listens everywhere; this one only where nobody else can connect,
  // unless it may.
  const bool is_open = options.allow_non_loopback;
  const bool is_v6 = options.family == Family::v6;
  const std::string_view otherwise =
      is_open ? (is_v6 ? "::" : "0.0.0.0") : (is_v6 ? "::1" : "127.0.0.1");
  const Result<Target> target =
      resolve_target(options.listen, otherwise, 0, options.family, is_open);
  if (!target) return target.error();
  if (target->is_unix()) return bind_unix(target->unix_path, kSocketMode);
  return bind_tcp(target->endpoints.front());
}

Result<void> give_up_rights(const SinkOptions& options) {
  const passwd* user = options.user.empty() ? nullptr : ::getpwnam(options.user.c_str());
  if (!options.user.empty() && user == nullptr)
    return Error(Errc::not_found, "unknown user " + options.user);
  if (!options.root.empty()) {
    if (::chroot(options.root.c_str()) != 0 || ::chdir("/") != 0)
      return error_from_errno(errno, "change the root to " + options.root);
  }
  if (user == nullptr) return {};
  if (::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 ||
      ::setuid(user->pw_uid) != 0) {
    return error_from_errno(errno, "become " + options.user);
  }
  return {};
}

int run_sink(const SinkOptions& options) {
  const Result<int> descriptor = bind_listener(options);
  if (!descriptor) return fail(descriptor.error());
  if (!options.syslog.is_empty()) ::openlog("smtp-sink", LOG_PID | LOG_NDELAY, LOG_MAIL);
  const Result<void> given_up = give_up_rights(options);
  if (!given_up) return fail(given_up.error());
  const auto kind =
      options.listen.unix_path.empty() ? UvStream::Kind::tcp : UvStream::Kind::unix_socket;
  Loop loop;
  Sink sink(loop, options);
  SignalWatcher on_interrupt(loop, SIGINT, &on_signal, &sink);
  SignalWatcher on_terminate(loop, SIGTERM, &on_signal, &sink);
  const Result<void> served = sink.serve(*descriptor, kind);
  if (!served) return fail(served.error());
  if (options.json.empty()) return 0;
  const Result<void> written = write_file(options.json, sink.to_json());
  return written ? 0 : fail(written.error());
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const Result<SinkOptions> options = parse_sink_options(arguments);
  if (!options) return fail(options.error());
  if (options->help) {
    std::fputs(sink_help().c_str(), stdout);
    return 0;
  }
  raise_descriptor_limit();
  return run_sink(*options);
}
