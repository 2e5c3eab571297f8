// Pressure: when new mail must wait or go elsewhere because the machine is short of something. The
// options check_*, smtp_load_reserve, queue_only_load and smtp_accept_queue, as questions.
#pragma once

#include "acl/expand/trace.h"
#include "core/config/option.h"
#include "core/io/machine.h"
#include "core/log/log.h"
#include "daemon/server_config.h"

#include <cstdint>
#include <string>

namespace godwit::daemon {

class Pressure {
 public:
  // All outlive it.
  Pressure(const ServerConfig& config, Machine& machine, Log& log)
      : config_(config), machine_(machine), log_(log) {}

  // Room for a message of `bytes`, as check_spool_* and check_log_* want it. `reserved`: what the
  // spool holds of the disk already and has not used. What is missing is said in the log.
  bool has_room(uint64_t bytes, uint64_t reserved);
  // The load where it is over the limit; -1 where it is not, or there is no limit.
  // `trace` is told of a load that was read, for `option`.
  int64_t load_over(config::Fixed limit, std::string_view option, acl::Trace* trace = nullptr);
  // "2.50"
  static std::string load_text(int64_t thousandths);

  // Why a message of a session waits for a queue run; empty: it does not.
  // `connections`: when the session began; `messages`: accepted by it before this one.
  std::string why_queued(int64_t connections, uint64_t messages, acl::Trace* trace = nullptr);
  // The same of a message behind one for which it was `before`: with queue_only_load_latch a reason
  // holds until the session ends.
  std::string why_queued_after(std::string before, int64_t connections, uint64_t messages,
                               acl::Trace* trace = nullptr);

 private:
  struct Wanted {
    int64_t kilobytes = 0;
    int64_t inodes = 0;
  };
  bool has_room_in(const std::string& directory, std::string_view what, Wanted wanted,
                   uint64_t reserved);

  const ServerConfig& config_;
  Machine& machine_;
  Log& log_;
};

}  // namespace godwit::daemon
