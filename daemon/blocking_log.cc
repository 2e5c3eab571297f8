#include "daemon/blocking_log.h"

#include "core/io/clock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace godwit::daemon {

BlockingLog::BlockingLog(const ServerConfig& config)
    : paths_(config.log_paths),
      formatter_(config.log_style, getpid()),
      syslog_(config.log_paths.syslog, getpid()) {}

void BlockingLog::write(const LogRecord& record) {
  const WallTime now = SystemClock().wall();
  const auto append = [](const std::string& path, const std::string& text) {
    if (path.empty()) return;
    const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    const bool written =
        fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (!written) std::fprintf(stderr, "cannot write log %s: %s", path.c_str(), text.c_str());
    if (fd >= 0) ::close(fd);
  };
  std::string line;
  formatter_.append_line(line, record, now);
  if (contains(record.files, LogFiles::main)) append(paths_.main, line);
  if (contains(record.files, LogFiles::panic)) append(paths_.panic, line);
  line += record.rejected_header;
  if (contains(record.files, LogFiles::reject)) append(paths_.reject, line);
  if (syslog_.is_wanted()) {
    std::vector<std::string> datagrams;
    syslog_.append_datagrams(datagrams, formatter_, record, now);
    for (const std::string& datagram : datagrams) syslog_.send(datagram);
  }
  if (!wants_fields()) return;
  std::string json;
  formatter_.append_json(json, record, now);
  append(paths_.json, json);
}

}  // namespace godwit::daemon
