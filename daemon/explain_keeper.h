// ExplainKeeper: the ways of some messages, kept under <spool>/explain for `--explain ID`
// (explain_sample). One a worker. A session asks whether to record a connection; a delivery of a
// message that was recorded adds to its file. Files are written on pool threads, after the fact:
// nothing waits for them, and what cannot be written is lost. The oldest are thrown out.
#pragma once

#include "acl/expand/trace_record.h"
#include "core/base/random.h"
#include "core/io/clock.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "delivery/queue/delivery_config.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace godwit::daemon {

inline constexpr size_t kExplainFilesMax = 1'000;
inline constexpr size_t kExplainFileBytesMax = 256u * 1024;
inline constexpr size_t kExplainWritesMax = 16;  // that wait; more are lost
inline constexpr unsigned kExplainWritesPerCleaning = 16;

// "1%" or "1/100"; nothing where it is neither, or not between 0 and 1.
std::optional<double> parse_explain_sample(std::string_view text);

std::string explain_path(const std::string& spool_directory, std::string_view id);

// What is known of the message so far becomes its file, at once: for commands.
void keep_explanation(const std::string& spool_directory, const std::string& id,
                      const acl::TraceRecord& record);
// True for one message in so many.
bool is_sampled(double share);

// Deliveries that a command makes: those of messages that have a file are added to it.
class CommandExplanations final : public delivery::AttemptTraces {
 public:
  CommandExplanations(const config::Sources& sources, std::string spool_directory)
      : sources_(sources), spool_directory_(std::move(spool_directory)) {}

  acl::Trace* begin(const std::string& id) override;
  void end(const std::string& id) override;

 private:
  const config::Sources& sources_;
  std::string spool_directory_;
  SystemClock clock_;
  std::map<std::string, acl::TraceRecord, std::less<>> attempts_;
};

class ExplainKeeper final : public delivery::AttemptTraces {
 public:
  ExplainKeeper(Loop& loop, const config::Sources& sources, const std::string& spool_directory,
                double share);
  ExplainKeeper(const ExplainKeeper&) = delete;
  ExplainKeeper& operator=(const ExplainKeeper&) = delete;

  // Finds out which messages of earlier runs are followed.
  Task<void> open();
  // For one connection in so many a record; null for the others.
  std::unique_ptr<acl::TraceRecord> begin_connection();
  // Deliveries of this message are recorded too.
  void follow(const std::string& id);
  // What is known of the message so far becomes its file.
  void keep(const std::string& id, const acl::TraceRecord& record);

  acl::Trace* begin(const std::string& id) override;
  void end(const std::string& id) override;

  Task<void> join() { co_await scope_.join(); }

 private:
  struct Write {
    std::string id;
    acl::TraceRecord record;
  };
  void put(std::string id, acl::TraceRecord record);
  Task<void> write_all();

  Loop& loop_;
  const config::Sources& sources_;
  std::string directory_;
  double share_;
  Random random_;
  Scope scope_;
  std::set<std::string, std::less<>> followed_;
  std::deque<std::string> in_order_;  // of followed_, the oldest first
  std::map<std::string, acl::TraceRecord, std::less<>> attempts_;
  std::deque<Write> writes_;  // in order, one at a time
  unsigned writes_done_ = 0;
};

}  // namespace godwit::daemon
