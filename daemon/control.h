// The control socket of a worker: <spool>/control/w<index>. One line in, one answer out:
//   COMMAND [ARGUMENT ...] [by=WHO]\n    ->    "ok" or "error CODE text", then an end of line.
// Only the owner of the spool may connect (mode 0600). Commands are rows in control.cc.
#pragma once

#include "core/io/listener.h"
#include "core/io/scope.h"

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

enum class ControlVerb : uint8_t {
  adopt,
  run,
  find,
  deliver,
  try_deliver,
  freeze,
  thaw,
  remove,
  mark,
  mark_all,
  add_recipient,
  set_sender,
  move,
  give_up,
  stats,
  unknown,
};

struct ControlCommand {
  ControlVerb verb = ControlVerb::unknown;
  std::vector<std::string> arguments;  // without by=
  std::string who = "root";            // of by=: who gives the command, for the log
};

inline constexpr int kControlSeconds = 60;  // until an answer is given up

ControlCommand parse_control(std::string_view line);

// "ok", or the error as one line.
std::string control_answer(const Result<void>& result);

class ControlHandler {
 public:
  virtual ~ControlHandler() = default;
  virtual Task<std::string> handle(ControlCommand command) = 0;
};

class ControlServer final : public ConnectionHandler {
 public:
  static Result<std::unique_ptr<ControlServer>> open(Loop& loop, std::string path,
                                                     ControlHandler& handler);
  ~ControlServer() override;

  void on_connection(std::unique_ptr<UvStream> stream) override;
  void on_accept_error(const Error&) override {}
  // Stops listening; join() waits for commands under way.
  void stop();
  Task<void> join() { co_await scope_.join(); }

 private:
  ControlServer(Loop& loop, std::string path, ControlHandler& handler)
      : loop_(loop), path_(std::move(path)), handler_(handler) {}
  Task<void> serve(std::unique_ptr<UvStream> stream);

  Loop& loop_;
  std::string path_;
  ino_t inode_ = 0;  // of the socket at `path_`
  ControlHandler& handler_;
  std::unique_ptr<Listener> listener_;
  Scope scope_;
};

std::string control_path(const std::string& spool_directory, size_t worker);

// The client's side, blocking, for the command line: sends `line` to the socket and gives the
// answer; connection_refused or not_found where no worker listens.
Result<std::string> ask_control(const std::string& path, const std::string& line,
                                int seconds = kControlSeconds);

}  // namespace godwit::daemon
