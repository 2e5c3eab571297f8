// ShardImage: what a shard's files say when they are read from the first to the last: which
// messages live, where, with which updates. The one place that knows the rules of recovery; the
// store starts from it, the reader shows it, an adoption copies from it. Blocking.
#pragma once

#include "core/base/result.h"
#include "core/io/files.h"
#include "core/spool/live_table.h"
#include "core/spool/segment.h"
#include "core/spool/segment_loader.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace godwit::spool {

// One call of a RecoverySink, kept.
struct ReplayEvent {
  bool is_message = false;
  MessageRef ref;
  MessageKey key;
  uint64_t envelope_bytes = 0;
  uint64_t header_bytes = 0;
  uint64_t body_bytes = 0;
  WallTime received;
  std::string payload;

  void tell(RecoverySink& sink) const;
};

class ShardImage {
 public:
  ShardImage(Files& files, std::string dir, FileOpen how);

  // Reads all segments. Errc::not_found where one went away meanwhile.
  Result<void> load();

  // What the segment tells: its live messages and those of its updates that count; of all, or of
  // the one with the key `only`.
  Result<std::vector<ReplayEvent>> events_of(uint32_t segment,
                                             const std::optional<MessageKey>& only = {});
  // The index of a segment, without what was cut.
  Result<std::string> index_of(const Segment& segment);

  Files& files() { return files_; }
  const std::string& dir() const { return dir_; }
  SegmentMap& segments() { return segments_; }
  LiveTable& live() { return live_; }
  const std::vector<std::string>& damage() const { return damage_; }
  // Files named like segments in which nothing is.
  const std::vector<uint32_t>& empty_segments() const { return empty_segments_; }
  const std::vector<uint32_t>& spares() const { return spares_; }
  // Folders left by adoptions, unfinished and finished.
  const std::vector<std::string>& adopted() const { return adopted_; }
  const std::vector<std::string>& trash() const { return trash_; }
  // The highest number that any file has; no smaller one is ever used again.
  uint32_t last_number() const { return last_number_; }

 private:
  Result<void> list();
  void collect_cuts(LoadedSegment& loaded);
  void apply(Segment& segment, std::string_view index);
  void apply_message(Segment& segment, const IndexEntry& entry);
  void apply_update(Segment& segment, const IndexEntry& entry);
  void apply_end(Segment& segment, const IndexEntry& entry);
  void apply_survivors(Segment& segment, const IndexEntry& entry);
  void note_damage(const Segment& segment, uint32_t offset, const Error& error);
  Result<std::string> items_of(const Segment& segment, const IndexEntry& entry) const;
  Result<void> add_items(const Segment& segment, const IndexEntry& entry, uint32_t slot,
                         std::vector<ReplayEvent>& events) const;

  Files& files_;
  std::string dir_;
  FileOpen how_;
  SegmentMap segments_;
  LiveTable live_;
  std::vector<Position> chain_starts_;  // by slot: where the updates that count begin
  std::map<uint32_t, uint32_t> cuts_;
  std::map<uint32_t, std::string> kept_indexes_;
  size_t kept_bytes_ = 0;
  std::vector<uint32_t> numbers_;
  std::vector<uint32_t> empty_segments_;
  std::vector<uint32_t> spares_;
  std::vector<std::string> adopted_;
  std::vector<std::string> trash_;
  std::vector<std::string> damage_;
  std::vector<std::pair<uint32_t, std::string>> torn_;
  uint32_t last_number_ = 0;
};

}  // namespace godwit::spool
