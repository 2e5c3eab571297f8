// Mail from local processes: -bs and -bS (SMTP on standard input), and -bm and -t (a message on
// standard input). The message goes into a shard of this process, durable before the command says
// so; then a running daemon takes it over, or it is delivered from here.
#include "core/io/stdio_stream.h"
#include "daemon/commands.h"
#include "daemon/local_shard.h"
#include "daemon/smtp_session.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdio>

namespace godwit::daemon {
namespace {

struct Submitter {
  std::string login;
  std::string full_name;
};

Submitter who_runs_this() {
  Submitter who;
  const passwd* user = getpwuid(getuid());
  if (user == nullptr) {
    who.login = "uid" + std::to_string(getuid());
    return who;
  }
  who.login = user->pw_name;
  const std::string_view gecos = user->pw_gecos == nullptr ? "" : user->pw_gecos;
  who.full_name = gecos.substr(0, gecos.find(','));
  return who;
}

// After the message is on disk: a daemon takes it over, or this process goes on and delivers it.
int hand_over(const ConfigPointer& config, const std::string& shard, DeliveryMode mode) {
  if (mode == DeliveryMode::queue_only) return 0;
  if (mode == DeliveryMode::background) {
    if (tell_daemon_to_adopt(*config)) return 0;
    const pid_t child = fork();
    if (child != 0) return child > 0 ? 0 : 1;
    setsid();
  }
  LocalShard local(config);
  if (!local.open(shard)) return 0;  // a daemon was quicker
  local.deliver();
  local.close();
  if (mode == DeliveryMode::background) _exit(0);
  return 0;
}

Task<bool> converse(Inbound& inbound, StdioStream& stream, SessionOrigin origin, bool& clean) {
  SmtpSession session(inbound, stream, std::move(origin));
  co_await session.run();
  clean = !session.had_errors();
  co_return session.messages_accepted() > 0;
}

}  // namespace

int submit_smtp(const CommandLine& line, const ConfigPointer& config) {
  const std::string shard_name = own_shard_name();
  const std::unique_ptr<ConnectionCounts> counts = ConnectionCounts::make_private();
  bool clean = true;
  bool accepted = false;
  {
    LocalShard shard(config);
    const Result<void> opened = shard.open(shard_name);
    if (!opened) {
      std::fprintf(stderr, "godwit: cannot write the spool: %s\n",
                   opened.error().to_string().c_str());
      return 1;
    }
    const Submitter who = who_runs_this();
    SessionOrigin origin;
    origin.login = who.login;
    origin.uid = getuid();
    origin.gid = getgid();
    origin.is_batch = line.mode == Mode::batch_smtp;
    StdioStream stream(origin.is_batch);
    const InboundServices services{shard.loop(), shard.store(), shard.queue(),
                                   shard.log(),  shard.ids(),   *counts};
    Inbound inbound(config, services);
    accepted = shard.wait(converse(inbound, stream, std::move(origin), clean));
  }
  if (accepted) hand_over(config, shard_name, line.delivery);
  return clean || line.mode == Mode::smtp ? 0 : 1;
}

}  // namespace godwit::daemon
