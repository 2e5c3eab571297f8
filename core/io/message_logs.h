// MessageLogs: a file for each message with the log lines about it (message_logs). add() collects
// on the loop's thread; flush() writes, on the thread pool, and removes the file of a message that
// is done, or moves it to "msglog.OLD" (preserve_message_logs). Used by LogWriter. A file that
// cannot be written costs its lines, which is said once on standard error.
#pragma once

#include "core/log/log.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace godwit {

struct MessageLogPaths {
  std::string directory;  // empty: no such logs
  std::string kept;       // where the logs of finished messages go; empty: they are removed
};

class MessageLogs {
 public:
  explicit MessageLogs(MessageLogPaths paths) : paths_(std::move(paths)) {}

  // Lines that the log of a message has: not those about mail that was refused.
  bool wants(const LogRecord& record) const noexcept;
  void add(const LogRecord& record, std::string line);
  bool has_waiting() const noexcept { return !waiting_.empty(); }
  // Hands what waits to the next flush().
  void take() noexcept { writing_.swap(waiting_); }
  void flush() noexcept;

 private:
  static constexpr size_t kWaitingLinesMax = 65536;

  struct Entry {
    std::string id;
    std::string text;  // lines
    bool is_done = false;
  };
  bool append(const Entry& entry) const noexcept;
  void finish(const Entry& entry) const noexcept;

  MessageLogPaths paths_;
  std::vector<Entry> waiting_;
  std::vector<Entry> writing_;
  bool failing_ = false;
};

}  // namespace godwit
