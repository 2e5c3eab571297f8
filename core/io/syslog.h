// Syslog: log lines as datagrams for the syslog daemon of this machine (log_file_path = syslog).
// send() may wait a little for a daemon that is slow, so it runs on the thread pool or in processes
// without a loop; lines that cannot be sent are counted, and the count is told with the next line
// that can be. The form is that of the C library's syslog(): "<PRI>Mon DD HH:MM:SS name[pid]:
// text".
#pragma once

#include "core/log/log.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit {

struct SyslogSetup {
  std::string socket_path;  // empty: no syslog
  std::string name;         // syslog_processname
  int facility = 0;         // as in <syslog.h>
  bool shows_time = true;   // syslog_timestamp: lines begin with the time of the log
  bool shows_pid = true;    // syslog_pid: lines have the "[pid]" of log_selector +pid
  bool duplicates = true;   // syslog_duplication: a line for each log that gets it
};

// "mail", "local3"; nothing for a name that is none.
std::optional<int> syslog_facility(std::string_view name);

enum class SyslogLevel : uint8_t { main, reject, panic };

class Syslog {
 public:
  Syslog(SyslogSetup setup, int process_id) : setup_(std::move(setup)), process_id_(process_id) {}
  ~Syslog();
  Syslog(const Syslog&) = delete;
  Syslog& operator=(const Syslog&) = delete;

  const SyslogSetup& setup() const noexcept { return setup_; }
  bool is_wanted() const noexcept { return !setup_.socket_path.empty(); }
  // The datagrams for one record, whose line `formatter` makes: one, or one for each log that gets
  // the line.
  void append_datagrams(std::vector<std::string>& out, LogFormatter& formatter,
                        const LogRecord& record, WallTime at) const;
  void send(std::string_view datagram) noexcept;
  uint64_t lost() const noexcept { return lost_; }

  // Lines that were lost elsewhere on their way.
  void count_lost(uint64_t lines) noexcept { lost_ += lines; }

 private:
  static constexpr size_t kLineBytesMax = 8000;
  static constexpr int kPatienceMillis = 20;

  std::string datagram(SyslogLevel level, std::string_view line, WallTime at) const;
  bool connect() noexcept;
  bool try_send(std::string_view datagram) noexcept;
  void tell_lost() noexcept;

  SyslogSetup setup_;
  int process_id_;
  int descriptor_ = -1;
  uint64_t lost_ = 0;  // since they were told
  bool failing_ = false;
};

}  // namespace godwit
