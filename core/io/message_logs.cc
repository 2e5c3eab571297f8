#include "core/io/message_logs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace godwit {

bool MessageLogs::wants(const LogRecord& record) const noexcept {
  if (paths_.directory.empty() || record.message_id.empty()) return false;
  switch (record.event) {
    case LogEvent::arrival:
    case LogEvent::delivery:
    case LogEvent::delivery_extra:
    case LogEvent::deferral:
    case LogEvent::failure:
    case LogEvent::completed:
    case LogEvent::frozen:
    case LogEvent::thawed:
    case LogEvent::removed:
      return contains(record.files, LogFiles::main);
    default:
      return false;
  }
}

void MessageLogs::add(const LogRecord& record, std::string line) {
  if (waiting_.size() >= kWaitingLinesMax) return;  // the main log has it
  const bool continues =
      !waiting_.empty() && waiting_.back().id == record.message_id && !waiting_.back().is_done;
  Entry& entry = continues ? waiting_.back() : waiting_.emplace_back();
  if (!continues) entry.id = record.message_id;
  entry.text += line;
  entry.is_done = record.event == LogEvent::completed;
}

void MessageLogs::flush() noexcept {
  for (const Entry& entry : writing_) {
    // What is removed at once need not be written.
    const bool is_written = (entry.is_done && paths_.kept.empty()) || append(entry);
    if (!is_written && !failing_) {
      std::fprintf(stderr, "cannot write log %s/%s: %s\n", paths_.directory.c_str(),
                   entry.id.c_str(), std::strerror(errno));
    }
    failing_ = !is_written;
    if (entry.is_done) finish(entry);
  }
  writing_.clear();
}

bool MessageLogs::append(const Entry& entry) const noexcept {
  const std::string path = paths_.directory + "/" + entry.id;
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (fd < 0) return false;
  const ssize_t written = ::write(fd, entry.text.data(), entry.text.size());
  ::close(fd);
  return written == static_cast<ssize_t>(entry.text.size());
}

// A log that is not there was never written.
void MessageLogs::finish(const Entry& entry) const noexcept {
  const std::string path = paths_.directory + "/" + entry.id;
  if (paths_.kept.empty()) {
    ::unlink(path.c_str());
  } else if (::rename(path.c_str(), (paths_.kept + "/" + entry.id).c_str()) != 0 &&
             errno != ENOENT) {
    std::fprintf(stderr, "cannot keep log %s: %s\n", path.c_str(), std::strerror(errno));
  }
}

}  // namespace godwit
