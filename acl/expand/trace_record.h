// TraceRecord: what a Trace was told, kept as a tree with times, for --explain. One record type,
// three forms: a tree for people, JSON for programs, and lines for a file that can be appended to.
// Bounded: what does not fit is counted and left out. Owned by whoever explains (a command, a
// session, a delivery); the sources and the clock outlive it.
#pragma once

#include "acl/expand/trace.h"
#include "core/config/diagnostics.h"
#include "core/io/clock.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

inline constexpr size_t kTraceNodesMax = 4'000;
inline constexpr size_t kTraceTextBytesMax = 1'000;    // of one text
inline constexpr size_t kTraceBytesMax = 512u * 1024;  // of all texts together
inline constexpr size_t kTraceDepthMax = 60;

// A step, with all that happened within it behind it and deeper.
struct TraceNode {
  TraceKind kind = TraceKind::note;  // of a pair: its begin
  uint32_t depth = 0;
  bool timed = false;
  bool cached = false;
  uint64_t micros = 0;
  std::string place;  // "exim.conf 12"
  std::string name;
  std::string text;
  std::string value;
  std::string result;
};

class TraceRecord final : public Trace {
 public:
  TraceRecord(const config::Sources& sources, const Clock& clock)
      : sources_(&sources), clock_(&clock) {}
  // For records that are only read.
  TraceRecord() = default;

  void event(const TraceEvent& event) override;

  const std::vector<TraceNode>& nodes() const noexcept { return nodes_; }
  bool empty() const noexcept { return nodes_.empty(); }
  // Forgets all from the node `at` on, which no open node is above.
  void truncate(size_t at);

  std::string to_text() const;
  std::string to_json() const;
  std::string to_lines() const;
  // Adds what to_lines() wrote. False where a line is none; those before it are kept.
  bool add_lines(std::string_view lines);

 private:
  struct Open {
    size_t node;
    Instant since;
  };
  static constexpr size_t kLeftOut = SIZE_MAX;

  TraceNode* add(const TraceEvent& event);
  void begin(const TraceEvent& event);
  void end(const TraceEvent& event);
  void take_value(std::string_view value);
  std::string kept(std::string_view text);

  const config::Sources* sources_ = nullptr;
  const Clock* clock_ = nullptr;
  std::vector<TraceNode> nodes_;
  std::vector<Open> open_;
  size_t bytes_ = 0;
  size_t left_out_ = 0;
};

}  // namespace godwit::acl
