#include "core/io/log_writer.h"

#include "core/base/assert.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace godwit {

LogWriter::LogWriter(Loop& loop, LogPaths paths, LogStyle style)
    : loop_(loop),
      formatter_(style, getpid()),
      messages_(std::move(paths.messages)),
      syslog_(std::move(paths.syslog), getpid()),
      flush_timer_([](void* self) noexcept { static_cast<LogWriter*>(self)->hand_over(); }, this) {
  streams_[kMain].path = std::move(paths.main);
  streams_[kReject].path = std::move(paths.reject);
  streams_[kPanic].path = std::move(paths.panic);
  streams_[kJson].path = std::move(paths.json);
}

LogWriter::~LogWriter() {
  while (job_in_flight_) loop_.run_once();
  for (Stream& stream : streams_) {
    stream.writing.swap(stream.waiting);
    write_stream(stream, reopen_);
    if (stream.descriptor >= 0) ::close(stream.descriptor);
  }
  messages_.take();
  messages_.flush();
  for (const std::string& datagram : syslog_waiting_) syslog_.send(datagram);
}

void LogWriter::write(const LogRecord& record) {
  const WallTime at = loop_.clock().wall();
  const auto append = [&](StreamIndex index, LogFiles file) {
    Stream& stream = streams_[index];
    if (!contains(record.files, file) || stream.path.empty()) return;
    if (stream.waiting.size() > kWaitingBytesMax) {
      const size_t cut = stream.waiting.find('\n', kWaitingBytesMax / 2);
      stream.waiting.erase(0, cut == std::string::npos ? stream.waiting.size() : cut + 1);
    }
    formatter_.append_line(stream.waiting, record, at);
    if (file == LogFiles::reject) stream.waiting += record.rejected_header;
  };
  append(kMain, LogFiles::main);
  append(kReject, LogFiles::reject);
  append(kPanic, LogFiles::panic);
  if (wants_fields()) formatter_.append_json(streams_[kJson].waiting, record, at);
  if (syslog_.is_wanted()) write_syslog(record, at);
  if (messages_.wants(record)) {
    std::string line;
    formatter_.append_line(line, record, at, {true, true, false});
    messages_.add(record, std::move(line));
  }
  if (job_in_flight_) return;
  if (streams_[kMain].waiting.size() > kFlushBytes) {
    flush_timer_.disarm();
    hand_over();
  } else if (!flush_timer_.is_armed()) {
    loop_.timers().set(flush_timer_, loop_.clock().now() + kFlushDelay);
  }
}

void LogWriter::write_syslog(const LogRecord& record, WallTime at) {
  if (syslog_waiting_.size() >= kSyslogWaitingMax) {
    ++syslog_dropped_;
    return;
  }
  syslog_.append_datagrams(syslog_waiting_, formatter_, record, at);
}

void LogWriter::hand_over() noexcept {
  if (job_in_flight_) return;
  bool anything = messages_.has_waiting() || !syslog_waiting_.empty();
  messages_.take();
  syslog_writing_.swap(syslog_waiting_);
  syslog_.count_lost(std::exchange(syslog_dropped_, 0));
  for (Stream& stream : streams_) {
    GODWIT_ASSERT(stream.writing.empty());
    stream.writing.swap(stream.waiting);
    anything = anything || !stream.writing.empty();
  }
  if (!anything) return;
  reopening_ = reopen_;
  reopen_ = false;
  job_in_flight_ = true;
  loop_.submit(*this);
}

void LogWriter::run() noexcept {
  for (Stream& stream : streams_) write_stream(stream, reopening_);
  messages_.flush();
  for (const std::string& datagram : syslog_writing_) syslog_.send(datagram);
  syslog_writing_.clear();
}

void LogWriter::finished() noexcept {
  job_in_flight_ = false;
  hand_over();
}

void LogWriter::write_stream(Stream& stream, bool reopen) noexcept {
  if (reopen && stream.descriptor >= 0) {
    ::close(stream.descriptor);
    stream.descriptor = -1;
  }
  if (stream.writing.empty()) return;
  if (stream.descriptor < 0) {
    stream.descriptor =
        ::open(stream.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  }
  std::string_view left = stream.writing;
  while (stream.descriptor >= 0 && !left.empty()) {
    const ssize_t n = ::write(stream.descriptor, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    left.remove_prefix(static_cast<size_t>(n));
  }
  const bool failed = !left.empty();
  if (failed && !stream.failing) {
    std::fprintf(stderr, "cannot write log %s: %s\n", stream.path.c_str(), std::strerror(errno));
  }
  if (failed) std::fwrite(left.data(), 1, left.size(), stderr);
  stream.failing = failed;
  stream.writing.clear();
}

}  // namespace godwit
