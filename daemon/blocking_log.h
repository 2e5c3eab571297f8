// BlockingLog: the Log of processes without a loop: the supervisor, and commands before they have
// one.
#pragma once

#include "daemon/server_config.h"

namespace godwit::daemon {

// Appends to the logs at once, blocking.
class BlockingLog final : public Log {
 public:
  explicit BlockingLog(const ServerConfig& config);
  void write(const LogRecord& record) override;
  bool wants_fields() const noexcept override { return !paths_.json.empty(); }

 private:
  LogPaths paths_;
  LogFormatter formatter_;
  Syslog syslog_;
};

}  // namespace godwit::daemon
