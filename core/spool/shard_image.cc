#include "core/spool/shard_image.h"

#include <algorithm>

namespace godwit::spool {
namespace {

constexpr size_t kKeptIndexBytesMax = 256 * 1024 * 1024;

}  // namespace

void ReplayEvent::tell(RecoverySink& sink) const {
  if (is_message) {
    sink.on_message(ref, key, envelope_bytes, header_bytes, body_bytes, received);
  } else {
    sink.on_update(ref, key, payload);
  }
}

ShardImage::ShardImage(Files& files, std::string dir, FileOpen how)
    : files_(files), dir_(std::move(dir)), how_(how) {}

Result<void> ShardImage::load() {
  Result<void> done = list();
  if (!done) return done;
  for (const uint32_t number : numbers_) {
    Result<std::optional<LoadedSegment>> loaded = load_segment(files_, dir_, number, how_);
    if (!loaded) return loaded.error();
    if (!loaded->has_value()) {
      empty_segments_.push_back(number);
      continue;
    }
    LoadedSegment& segment = **loaded;
    collect_cuts(segment);
    damage_.insert(damage_.end(), segment.damage.begin(), segment.damage.end());
    if (segment.torn) torn_.emplace_back(number, *segment.torn);
    // An index that cannot be read again is kept whatever it takes.
    if (segment.segment.state == SegmentState::closed ||
        kept_bytes_ + segment.index.size() < kKeptIndexBytesMax) {
      kept_bytes_ += segment.index.size();
      kept_indexes_[number] = std::move(segment.index);
    }
    segments_.emplace(number, std::move(segment.segment));
  }
  for (auto& [number, segment] : segments_) {
    const auto cut = cuts_.find(number);
    if (cut != cuts_.end() && segment.state == SegmentState::closed) {
      segment.cut = cut->second;
      segment.end = std::min(segment.end, segment.cut);
      segment.index = index_below(kept_indexes_[number], segment.cut);
      kept_indexes_[number] = segment.index.payload();
      segment.updates = segment.index.updates();
    }
    Result<std::string> index = index_of(segment);
    if (!index) return index.error();
    apply(segment, *index);
  }
  for (auto& [number, text] : torn_) {
    // Whoever only reads may meet a batch that is being written.
    if (how_ != FileOpen::read && !cuts_.contains(number)) damage_.push_back(std::move(text));
  }
  return {};
}

Result<void> ShardImage::list() {
  const Result<std::vector<std::string>> names = files_.list(dir_);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (const auto segment = segment_number(name)) {
      numbers_.push_back(*segment);
      last_number_ = std::max(last_number_, *segment);
    } else if (const auto spare = spare_number(name)) {
      spares_.push_back(*spare);
      last_number_ = std::max(last_number_, *spare);
    } else if (name.starts_with(kAdoptedPrefix)) {
      adopted_.push_back(name);
    } else if (name.starts_with(kTrashPrefix)) {
      trash_.push_back(name);
    }
  }
  std::sort(numbers_.begin(), numbers_.end());
  return {};
}

void ShardImage::collect_cuts(LoadedSegment& loaded) {
  IndexReader reader(loaded.index);
  if (reader.survivors() == 0) return;
  while (const auto entry = reader.next()) {
    if (entry->type != RecordType::survivors) continue;
    const Segment& segment = loaded.segment;
    Result<LoadedRecord> record =
        load_record(*segment.file, segment.number, segment.salt, entry->offset);
    if (!record) {
      note_damage(segment, entry->offset, record.error());
      continue;
    }
    const auto survivors = decode_survivors(record->payload);
    if (survivors && survivors->cut != UINT32_MAX) cuts_[survivors->segment] = survivors->cut;
  }
}

void ShardImage::note_damage(const Segment& segment, uint32_t offset, const Error& error) {
  damage_.push_back(segment_name(segment.number) + " at " + std::to_string(offset) + ": " +
                    error.to_string());
}

Result<std::string> ShardImage::index_of(const Segment& segment) {
  const auto kept = kept_indexes_.find(segment.number);
  if (kept != kept_indexes_.end()) return kept->second;
  Result<LoadedRecord> index =
      load_record(*segment.file, segment.number, segment.salt, segment.end);
  if (!index) return index.error();
  return std::move(index->payload);
}

void ShardImage::apply(Segment& segment, std::string_view index) {
  IndexReader reader(index);
  while (const auto entry = reader.next()) {
    switch (entry->type) {
      case RecordType::message:
        apply_message(segment, *entry);
        break;
      case RecordType::update:
        apply_update(segment, *entry);
        break;
      case RecordType::end:
        apply_end(segment, *entry);
        break;
      case RecordType::survivors:
        apply_survivors(segment, *entry);
        break;
      case RecordType::start:
      case RecordType::index:
      case RecordType::seal:
      case RecordType::padding:
        break;
    }
  }
}

void ShardImage::apply_message(Segment& segment, const IndexEntry& entry) {
  const bool is_large = (entry.flags & kFlagLargeBody) != 0;
  uint32_t slot = live_.find(entry.key);
  if (slot == LiveTable::kNone) {
    slot = live_.insert(entry.key, segment, entry.offset, entry.record_bytes, is_large);
  } else {
    Segment& before = segments_.at(live_[slot].at.segment);
    segment.guard(before.number);
    live_.move(slot, before, segment, entry.offset, entry.record_bytes);
  }
  if (chain_starts_.size() <= slot) chain_starts_.resize(slot + 1);
  LiveMessage& message = live_[slot];
  chain_starts_[slot] = message.at;
  message.last_update = !entry.is_inline || !entry.items.empty() ? message.at : Position{};
  message.chain_segment = message.last_update.segment;
}

void ShardImage::apply_update(Segment& segment, const IndexEntry& entry) {
  const uint32_t slot = live_.find(entry.key);
  if (slot == LiveTable::kNone) return;
  const Position at{segment.number, entry.offset};
  LiveMessage& message = live_[slot];
  if ((entry.flags & kFlagReplace) != 0) chain_starts_[slot] = at;
  const bool is_first = (entry.flags & kFlagReplace) != 0 || !message.last_update.is_set();
  if (is_first) message.chain_segment = segment.number;
  message.last_update = at;
}

void ShardImage::apply_end(Segment& segment, const IndexEntry& entry) {
  const uint32_t slot = live_.find(entry.key);
  if (slot == LiveTable::kNone) return;
  Segment& home = segments_.at(live_[slot].at.segment);
  segment.guard(home.number);
  live_.erase(slot, home);
}

void ShardImage::apply_survivors(Segment& segment, const IndexEntry& entry) {
  Result<LoadedRecord> record =
      load_record(*segment.file, segment.number, segment.salt, entry.offset);
  // Then messages that ended may come back: a second delivery rather than a loss.
  if (!record) return note_damage(segment, entry.offset, record.error());
  std::optional<Survivors> survivors = decode_survivors(record->payload);
  if (!survivors) return;
  const auto found = segments_.find(survivors->segment);
  if (found == segments_.end() || found->first >= segment.number) return;
  Segment& home = found->second;
  segment.guard(home.number);
  home.survivors_in = segment.number;
  std::sort(survivors->offsets.begin(), survivors->offsets.end());
  for (uint32_t slot = home.first_live; slot != LiveTable::kNone;) {
    const uint32_t next = live_[slot].next;
    if (!std::binary_search(survivors->offsets.begin(), survivors->offsets.end(),
                            live_[slot].at.offset)) {
      live_.erase(slot, home);
    }
    slot = next;
  }
}

Result<std::string> ShardImage::items_of(const Segment& segment, const IndexEntry& entry) const {
  if (entry.is_inline) return std::string(entry.items);
  const File& file = *segment.file;
  if (entry.type == RecordType::update) {
    Result<LoadedRecord> record = load_record(file, segment.number, segment.salt, entry.offset);
    if (!record) return record.error();
    if (record->payload.size() < kUpdateFixedBytes) return Error(Errc::disk_error, "short update");
    return record->payload.substr(kUpdateFixedBytes);
  }
  const Result<LoadedMessage> message =
      load_message(file, segment.number, segment.salt, entry.offset);
  if (!message) return message.error();
  return load_part(file, message->updates_at, message->fixed.updates_bytes,
                   message->fixed.updates_crc);
}

Result<std::vector<ReplayEvent>> ShardImage::events_of(uint32_t number,
                                                       const std::optional<MessageKey>& only) {
  const Segment& segment = segments_.at(number);
  const Result<std::string> index = index_of(segment);
  if (!index) return index.error();
  std::vector<ReplayEvent> events;
  IndexReader reader(*index);
  while (const auto entry = reader.next()) {
    const bool is_message = entry->type == RecordType::message;
    if (!is_message && entry->type != RecordType::update) continue;
    if (only && entry->key != *only) continue;
    const uint32_t slot = live_.find(entry->key);
    if (slot == LiveTable::kNone) continue;
    const LiveMessage& message = live_[slot];
    const Position at{number, entry->offset};
    if (is_message ? message.at != at : at < chain_starts_[slot]) continue;
    if (is_message) {
      ReplayEvent& event = events.emplace_back();
      event.is_message = true;
      event.ref = MessageRef(entry->key.low, slot);
      event.key = entry->key;
      event.envelope_bytes = entry->envelope_bytes;
      event.header_bytes = entry->header_bytes;
      event.body_bytes = entry->body_bytes;
      event.received = entry->received;
      // What a message carried was replaced where its chain begins further on.
      if (chain_starts_[slot] != at) continue;
    }
    Result<void> added = add_items(segment, *entry, slot, events);
    if (!added) note_damage(segment, entry->offset, added.error());
  }
  return events;
}

Result<void> ShardImage::add_items(const Segment& segment, const IndexEntry& entry, uint32_t slot,
                                   std::vector<ReplayEvent>& events) const {
  const Result<std::string> items = items_of(segment, entry);
  if (!items) return items.error();
  size_t at = 0;
  while (const auto item = next_item(*items, at)) {
    ReplayEvent& event = events.emplace_back();
    event.ref = MessageRef(entry.key.low, slot);
    event.key = entry.key;
    event.payload = *item;
  }
  return {};
}

}  // namespace godwit::spool
