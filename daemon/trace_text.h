// Traces as lines on standard error: for -bh as Exim's, with ">>> " before each; for -d those of
// the chosen selectors. And a Log that goes there too.
#pragma once

#include "acl/expand/trace.h"
#include "core/config/diagnostics.h"
#include "core/log/log.h"
#include "daemon/debug_selectors.h"
#include "delivery/queue/delivery_config.h"

#include <optional>
#include <string>
#include <vector>

namespace godwit::delivery {
struct QueueRun;
}

namespace godwit::daemon {

class TextTrace final : public acl::Trace {
 public:
  // What -bh shows, with `more` from -d. `sources` gives places their file names; they live as long
  // as the trace.
  TextTrace(const config::Sources& sources, const std::optional<DebugSelectors>& more);
  // What -d shows.
  TextTrace(const config::Sources& sources, DebugSelectors selectors);
  TextTrace(const TextTrace&) = delete;
  TextTrace& operator=(const TextTrace&) = delete;
  void event(const acl::TraceEvent& event) override;

 private:
  void line(const std::string& text) const;
  void acl_event(const acl::TraceEvent& event);
  void other_event(const acl::TraceEvent& event) const;

  const config::Sources& sources_;
  DebugSelectors selectors_;
  std::string prefix_;
  std::vector<std::string> acls_;  // under way, as they are named
  size_t value_indent_ = 0;        // where the value of the last condition goes
};

// -d: all deliveries are told to one trace.
class DebugTraces final : public delivery::AttemptTraces {
 public:
  explicit DebugTraces(acl::Trace& trace) : trace_(trace) {}
  acl::Trace* begin(const std::string&) override { return &trace_; }
  void end(const std::string&) override {}

 private:
  acl::Trace& trace_;
};

// What -d asked for, for one process; nothing without it.
class Debugging {
 public:
  Debugging(const std::optional<DebugSelectors>& selectors, const config::Sources& sources) {
    if (!selectors) return;
    trace_.emplace(sources, *selectors);
    attempts_.emplace(*trace_);
  }
  Debugging(const Debugging&) = delete;
  Debugging& operator=(const Debugging&) = delete;

  acl::Trace* trace() noexcept { return trace_ ? &*trace_ : nullptr; }
  // As whom `process` runs: for the selector `uid`.
  void tell_user(const std::string& process);
  // What the selectors of a queue run say at its begin.
  void tell_queue_run(const delivery::QueueRun& run);
  delivery::AttemptTraces* attempts() noexcept { return attempts_ ? &*attempts_ : nullptr; }

 private:
  std::optional<TextTrace> trace_;
  std::optional<DebugTraces> attempts_;
};

// What -bt shows without -d: the debug_print of routers.
class DebugPrintTrace final : public acl::Trace {
 public:
  void event(const acl::TraceEvent& event) override;
};

// "LOG: ..." for every line of the main and the reject log.
class TestLog final : public Log {
 public:
  void write(const LogRecord& record) override;
  bool wants_fields() const noexcept override { return false; }
};

}  // namespace godwit::daemon
