// Supervisor: the listening sockets.
#include "core/io/listener.h"
#include "daemon/supervisor.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace godwit::daemon {
namespace {

// In the words that people look for in Exim's log.
Error not_bound(const Endpoint& at, const Error& why) {
  const std::string& text = why.detail();
  const size_t colon = text.rfind(": ");
  const std::string reason = colon == std::string::npos ? text : text.substr(colon + 2);
  const std::string address = !at.address.is_unspecified() ? at.address.to_string()
                              : at.address.is_v6()         ? "(any IPv6)"
                                                           : "(any IPv4)";
  return Error(why.code(), "socket bind() to port " + std::to_string(at.port) + " for address " +
                               address + " failed: " + reason);
}

}  // namespace

// Opens sockets of `at` until there is one a worker. Where none is open yet, one is bound alone
// before, so that a port that somebody else has is not shared with him by accident.
Result<void> Supervisor::bind_address(const Endpoint& at, std::vector<int>& descriptors) const {
  if (descriptors.empty()) {
    const Result<int> probe = bind_tcp(at);
    if (!probe) return not_bound(at, probe.error());
    ::close(*probe);
  }
  while (descriptors.size() < worker_count()) {
    const Result<int> descriptor = bind_tcp(at, true);
    if (!descriptor) return not_bound(at, descriptor.error());
    descriptors.push_back(*descriptor);
    // Listening begins here and in this order, so that the i-th socket is the i-th worker's
    // (share_connections). Workers listen again, with the backlog of their configuration.
    if (::listen(*descriptor, SOMAXCONN) != 0)
      return not_bound(at, error_from_errno(errno, "listen"));
  }
  return {};
}

// Opens what the configuration asks for and is not open yet, closes what it no longer names.
Result<void> Supervisor::bind_all() {
  std::map<Endpoint, std::vector<int>> wanted;
  std::optional<Error> failure;
  for (const Endpoint& listen : config_->listen) {
    if (!setup_.listens || failure) break;
    std::vector<int> descriptors;
    const auto open = sockets_.find(listen);
    if (open != sockets_.end()) descriptors = open->second;
    const Result<void> bound = bind_address(listen, descriptors);
    // A machine without IPv6 is no error where every address was asked for, as Exim takes it.
    const bool is_optional = listen.address.is_v6() && listen.address.is_unspecified();
    if (!bound && !is_optional) failure = bound.error();
    if (!descriptors.empty()) wanted.emplace(listen, std::move(descriptors));
  }
  if (failure) {
    for (const auto& [at, descriptors] : wanted) {
      const auto kept = sockets_.find(at);
      const size_t first_new = kept == sockets_.end() ? 0 : kept->second.size();
      for (size_t i = first_new; i < descriptors.size(); ++i) ::close(descriptors[i]);
    }
    return *failure;
  }
  for (const auto& [at, descriptors] : sockets_) {
    if (wanted.contains(at)) continue;
    for (int descriptor : descriptors) ::close(descriptor);
  }
  sockets_ = std::move(wanted);
  return {};
}

// A port that cannot be had is asked for again, as daemon_startup_retries says: what had it may be
// on its way out.
Result<void> Supervisor::bind_patiently() {
  const config::MainOptions& options = config_->options();
  Result<void> bound = bind_all();
  for (int64_t left = options.daemon_startup_retries; !bound && left > 0; --left) {
    const std::string text = bound.error().detail() + ": waiting " +
                             format_interval(options.daemon_startup_sleep) +
                             " before trying again (" + std::to_string(left) +
                             (left == 1 ? " more try)" : " more tries)");
    std::fprintf(stderr, "godwit: %s\n", text.c_str());
    log(text);
    ::sleep(static_cast<unsigned>(options.daemon_startup_sleep.count));
    bound = bind_all();
  }
  return bound;
}

void Supervisor::spread_connections() const {
  for (const auto& [at, descriptors] : sockets_) {
    if (!descriptors.empty()) godwit::spread_connections(descriptors.front());
  }
}

}  // namespace godwit::daemon
