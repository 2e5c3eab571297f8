// LinesLog: a log that keeps the text of every line.
#pragma once

#include "core/log/log.h"

#include <string>
#include <vector>

namespace godwit::test {

class LinesLog final : public Log {
 public:
  void write(const LogRecord& record) override { lines.emplace_back(record.text); }
  bool wants_fields() const noexcept override { return false; }
  std::vector<std::string> lines;
};

}  // namespace godwit::test
