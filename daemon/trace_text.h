// Traces as the lines that Exim's -bh prints, on standard error, and a Log that goes there too.
#pragma once

#include "acl/expand/trace.h"
#include "core/config/diagnostics.h"
#include "core/log/log.h"

#include <string>
#include <vector>

namespace godwit::daemon {

class TextTrace final : public acl::Trace {
 public:
  // `sources` gives places their file names; both live as long as the trace.
  explicit TextTrace(const config::Sources& sources) : sources_(sources) {}
  void event(const acl::TraceEvent& event) override;

 private:
  void line(const std::string& text) const;

  const config::Sources& sources_;
  std::vector<std::string> acls_;  // under way, as they are named
  size_t value_indent_ = 0;        // where the value of the last condition goes
};

// "LOG: ..." for every line of the main and the reject log.
class TestLog final : public Log {
 public:
  void write(const LogRecord& record) override;
  bool wants_fields() const noexcept override { return false; }
};

}  // namespace godwit::daemon
