// What becomes of a message that a command has put into the spool.
#include "daemon/hand_over.h"

#include "core/io/clock.h"
#include "core/io/machine.h"
#include "daemon/local_shard.h"
#include "daemon/queue_only_file.h"
#include "daemon/trace_text.h"

#include <unistd.h>

namespace godwit::daemon {

bool is_queue_only(const CommandLine& line, const ServerConfig& config) {
  const config::MainOptions& options = config.options();
  if (line.delivery == DeliveryMode::queue_only) return true;
  const bool is_overridden = line.delivery_given && options.queue_only_override;
  if (!is_overridden && (options.queue_only || exists_any_of(options.queue_only_file))) return true;
  if (options.queue_only_load.thousandths < 0) return false;
  const SystemClock clock;
  return SystemMachine(clock).load_thousandths() > options.queue_only_load.thousandths;
}

int hand_over(const CommandLine& line, const ConfigPointer& config, const std::string& shard,
              DeliveryMode mode) {
  if (mode == DeliveryMode::queue_only) {
    tell_daemon_to_adopt(*config);  // which keeps it until a queue run
    return 0;
  }
  if (mode == DeliveryMode::background) {
    if (tell_daemon_to_adopt(*config)) return 0;
    const pid_t child = fork();
    if (child != 0) return child > 0 ? 0 : 1;
    setsid();
  }
  Debugging debugging(line.debug, *config->document.sources);
  LocalShard local(config, debugging.attempts());
  if (!local.open(shard)) return 0;  // a daemon was quicker
  local.deliver();
  local.close();
  if (mode == DeliveryMode::background) _exit(0);
  return 0;
}

}  // namespace godwit::daemon
