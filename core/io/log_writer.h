// LogWriter: the Log of a running process. Lines of a loop turn are collected and written by one
// job on the thread pool, appended with one write() a file, so that several workers share the
// files. A log that cannot be written is said on standard error, once each time it starts to fail;
// lines wait in memory up to a bound, then the oldest are dropped. Beside the files, lines go to
// syslog and to the logs of single messages where these are wanted.
#pragma once

#include "core/io/loop.h"
#include "core/io/message_logs.h"
#include "core/io/syslog.h"
#include "core/log/log.h"

#include <array>
#include <string>
#include <vector>

namespace godwit {

struct LogPaths {
  // Empty: that stream is not wanted. Exim's log_file_path with %s replaced.
  std::string main;
  std::string reject;
  std::string panic;
  std::string json;
  MessageLogPaths messages;
  SyslogSetup syslog;
};

class LogWriter final : public Log, Job {
 public:
  LogWriter(Loop& loop, LogPaths paths, LogStyle style);
  // Writes what is left, blocking: for the end of the process.
  ~LogWriter() override;

  void write(const LogRecord& record) override;
  bool wants_fields() const noexcept override { return !streams_[kJson].path.empty(); }
  // Opens the files anew before the next line (HUP, log rotation).
  void reopen() noexcept { reopen_ = true; }

 private:
  enum StreamIndex : size_t { kMain, kReject, kPanic, kJson, kStreams };
  struct Stream {
    std::string path;
    std::string waiting;  // lines not yet handed to a job
    std::string writing;  // lines of the job in flight
    int descriptor = -1;
    bool failing = false;
  };
  static constexpr size_t kWaitingBytesMax = 16 * 1024 * 1024;
  static constexpr size_t kSyslogWaitingMax = 65536;
  static constexpr size_t kFlushBytes = 128 * 1024;  // so many do not wait for the timer
  static constexpr Millis kFlushDelay{5};

  void write_syslog(const LogRecord& record, WallTime at);
  void run() noexcept override;
  void finished() noexcept override;
  void hand_over() noexcept;
  static void write_stream(Stream& stream, bool reopen) noexcept;

  Loop& loop_;
  LogFormatter formatter_;
  std::array<Stream, kStreams> streams_;
  MessageLogs messages_;
  Syslog syslog_;
  std::vector<std::string> syslog_waiting_;  // datagrams not yet handed to a job
  std::vector<std::string> syslog_writing_;
  uint64_t syslog_dropped_ = 0;  // while the job was busy for too long
  TimerNode flush_timer_;
  bool job_in_flight_ = false;
  bool reopen_ = false;
  bool reopening_ = false;
};

}  // namespace godwit
