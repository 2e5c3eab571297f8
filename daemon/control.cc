#include "daemon/control.h"

#include "core/base/ascii.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace godwit::daemon {
namespace {

constexpr size_t kLineBytesMax = 8192;
constexpr Seconds kIdle{10};
constexpr int kBacklog = 16;

struct VerbRow {
  std::string_view name;
  ControlVerb verb;
};
// clang-format off
constexpr std::array kVerbs{
    VerbRow{"adopt",         ControlVerb::adopt},          // look for shards without an owner
    VerbRow{"run",           ControlVerb::run},            // queue run; arguments: forced, frozen, first
    VerbRow{"find",          ControlVerb::find},           // ID; "ok SHARD"
    VerbRow{"deliver",       ControlVerb::deliver},        // ID
    VerbRow{"try_deliver",   ControlVerb::try_deliver},    // ID; not forced
    VerbRow{"freeze",        ControlVerb::freeze},         // ID
    VerbRow{"thaw",          ControlVerb::thaw},           // ID
    VerbRow{"remove",        ControlVerb::remove},         // ID
    VerbRow{"mark",          ControlVerb::mark},           // ID ADDRESS
    VerbRow{"mark_all",      ControlVerb::mark_all},       // ID
    VerbRow{"add_recipient", ControlVerb::add_recipient},  // ID ADDRESS
    VerbRow{"set_sender",    ControlVerb::set_sender},     // ID ADDRESS
    VerbRow{"move",          ControlVerb::move},           // ID [QUEUE]
    VerbRow{"give_up",       ControlVerb::give_up},        // ID
    VerbRow{"stats",         ControlVerb::stats},
};
// clang-format on

}  // namespace

ControlCommand parse_control(std::string_view line) {
  ControlCommand command;
  const size_t end = line.find(' ');
  const std::string_view name = line.substr(0, end);
  for (const VerbRow& row : kVerbs) {
    if (row.name == name) command.verb = row.verb;
  }
  while (end != std::string_view::npos && !line.empty()) {
    line.remove_prefix(std::min(line.find(' '), line.size()));
    line = trim_left(line);
    if (line.empty()) break;
    constexpr std::string_view kBy = "by=";
    const std::string_view word = line.substr(0, line.find(' '));
    if (word.starts_with(kBy)) {
      command.who = word.substr(kBy.size());
    } else {
      command.arguments.emplace_back(word);
    }
  }
  return command;
}

std::string control_answer(const Result<void>& result) {
  if (result) return "ok";
  return "error " + std::string(result.error().row().name) + " " +
         escape_control(result.error().detail());
}

std::string control_path(const std::string& spool_directory, size_t worker) {
  return spool_directory + "/control/w" + std::to_string(worker);
}

Result<std::unique_ptr<ControlServer>> ControlServer::open(Loop& loop, std::string path,
                                                           ControlHandler& handler) {
  const Result<int> descriptor = bind_unix(path, 0600);
  if (!descriptor) return descriptor.error();
  std::unique_ptr<ControlServer> server(new ControlServer(loop, std::move(path), handler));
  Result<std::unique_ptr<Listener>> listener =
      Listener::open(loop, *descriptor, UvStream::Kind::unix_socket, kBacklog, *server);
  if (!listener) return listener.error();
  server->listener_ = std::move(*listener);
  struct stat made {};
  if (::stat(server->path_.c_str(), &made) == 0) server->inode_ = made.st_ino;
  return server;
}

ControlServer::~ControlServer() = default;

// A newer worker may have put its own socket in this one's place.
void ControlServer::stop() {
  listener_.reset();
  struct stat there {};
  if (::stat(path_.c_str(), &there) == 0 && there.st_ino == inode_) ::unlink(path_.c_str());
}

void ControlServer::on_connection(std::unique_ptr<UvStream> stream) {
  scope_.spawn(serve(std::move(stream)));
}

Task<void> ControlServer::serve(std::unique_ptr<UvStream> stream) {
  std::string line;
  while (line.find('\n') == std::string::npos && line.size() < kLineBytesMax) {
    stream->set_deadline(loop_.clock().now() + kIdle);
    const Result<std::string_view> got = co_await stream->read();
    if (!got || got->empty()) co_return;
    line += *got;
  }
  line.resize(std::min(line.find('\n'), line.size()));
  std::string answer = co_await handler_.handle(parse_control(line));
  answer += '\n';
  stream->set_deadline(loop_.clock().now() + kIdle);
  const Result<void> sent = co_await stream->write(answer);
  (void)sent;  // whoever asked has gone
}

Result<std::string> ask_control(const std::string& path, const std::string& line, int seconds) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error(Errc::too_long, "socket path " + path);
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return error_from_errno(errno, "socket");
  const timeval limit{seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  Result<std::string> answer = Error(Errc::connection_closed, path);
  const std::string request = line + "\n";
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    answer = error_from_errno(errno, "connect to " + path);
  } else if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
             static_cast<ssize_t>(request.size())) {
    answer = error_from_errno(errno, "send to " + path);
  } else {
    std::string text;
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while (text.find('\n') == std::string::npos &&
           (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
      text.append(buffer.data(), static_cast<size_t>(got));
    }
    if (text.find('\n') != std::string::npos) {
      text.resize(text.find('\n'));
      answer = std::move(text);
    }
  }
  ::close(fd);
  return answer;
}

}  // namespace godwit::daemon
