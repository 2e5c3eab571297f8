// The part of StoreCore that puts queued records into the tail segment and makes a batch of them.
#include "core/spool/store_core.h"

#include <utility>

namespace godwit::spool {
namespace {

// The share of a segment that new mail leaves to updates and ends while there is no space for a
// further segment: they are what frees space.
constexpr uint32_t kReserveDivisor = 4;

}  // namespace

// False where there is nothing to write, or no segment to write it into yet.
bool StoreCore::fill_batch() {
  if (!collect_batch()) return false;
  pad_batch();
  if (batch_.syncs() && !unsynced_.empty()) batch_.sync_earlier_too();
  return true;
}

bool StoreCore::collect_batch() {
  waits_for_segment_ = false;
  if (tail_ == nullptr && !roll()) return false;
  const bool sync = sync_due_ <= loop_.clock().now();
  batch_.reset(*tail_, sync);
  size_t bytes = 0;
  while (!queue_.empty() && bytes < kBatchBytesMax && batch_.records().size() < kBatchRecordsMax) {
    const Placement placement = place(*queue_.front());
    if (placement != Placement::no_room) {
      bytes += queue_.front()->header.record_bytes();
      take_front(placement);
      continue;
    }
    if (!batch_.records().empty()) return true;
    if (!unsynced_.empty()) {
      // Nothing goes into the next segment before this one is on disk.
      batch_.sync_earlier_too();
      return true;
    }
    if (!roll()) return false;
    batch_.reset(*tail_, sync);
  }
  if (queue_.empty()) {
    write_due_ = Instant::never();
    if (sync) sync_due_ = Instant::never();
  }
  return !batch_.records().empty() || (sync && !unsynced_.empty());
}

// The next batch then begins with a block.
void StoreCore::pad_batch() {
  const uint32_t bytes = padding_bytes(tail_->end);
  if (tail_->direct == nullptr || !batch_.syncs() || batch_.records().empty() || bytes == 0 ||
      !tail_->has_room_to_seal(bytes)) {
    return;
  }
  RecordHeader header;
  header.type = RecordType::padding;
  header.segment = tail_->number;
  header.offset = tail_->end;
  header.payload_bytes = bytes - kRecordHeaderBytes;
  header.synced_to = tail_->synced_to;
  batch_.pad(header);
  tail_->end += bytes;
}

void StoreCore::take_front(Placement placement) {
  const RecordPtr record = std::move(queue_.front());
  queue_.pop_front();
  switch (placement) {
    case Placement::placed:
      batch_.add(record);
      break;
    case Placement::stale:
      conclude(record, RecordState::stale);
      break;
    case Placement::refused:
      conclude(record, RecordState::failed);
      break;
    case Placement::no_room:
      GODWIT_UNREACHABLE("a record without room leaves the queue");
  }
}

bool StoreCore::still_holds(const PendingRecord& record) const {
  const LiveMessage& message = live_[record.slot];
  return message.is_used && message.key == record.key && !message.is_ended &&
         message.at == record.expected_at && message.last_update == record.expected_update;
}

// While no further segment can be had, new mail leaves a part of the tail alone.
bool StoreCore::keeps_reserve(const PendingRecord& record) const {
  if (!prepare_error_ || prepared_ || !record.is_transient) return true;
  return tail_->end + tail_->bytes / kReserveDivisor < tail_->bytes;
}

StoreCore::Placement StoreCore::place(PendingRecord& record) {
  const bool is_message = record.type == RecordType::message;
  if (record.is_derived && !still_holds(record)) return Placement::stale;
  if (is_message && !record.is_derived && live_.find(record.key) != LiveTable::kNone) {
    record.error = Error(Errc::already_exists, "message " + large_name(record.key));
    return Placement::refused;
  }
  if (!keeps_reserve(record)) {
    record.error = *prepare_error_;
    // There may be space by now, given back by this store or by others on the disk. Without asking,
    // mail would be refused for as long as the tail has room for small records.
    start_prepare();
    if (!record.is_derived) ++counters_.failed_commits;
    return Placement::refused;
  }
  record.header = {};
  if (!make_payload(record)) return Placement::stale;
  record.header.type = record.type;
  record.header.flags = record.flags;
  record.header.segment = tail_->number;
  record.header.offset = tail_->end;
  record.header.synced_to = tail_->synced_to;
  record.header.key = record.key;

  const IndexEntry entry = index_entry(record);
  if (!tail_->fits(entry)) {
    const bool fits_nowhere = tail_->end == kStartBytes && tail_->bytes >= options_.segment_bytes;
    if (!fits_nowhere) return Placement::no_room;
    record.error = Error(Errc::too_long, "a record of " + std::to_string(entry.record_bytes) +
                                             " bytes does not fit a segment");
    return Placement::refused;
  }
  tail_->index.add(entry);
  tail_->end += entry.record_bytes;
  if (record.type == RecordType::update) ++tail_->updates;
  if (record.type == RecordType::update || (is_message && record.is_derived)) {
    LiveMessage& message = live_[record.slot];
    record.previous_update = message.last_update;
    record.previous_chain_segment = message.chain_segment;
    const bool is_chained = !is_message || !record.updates.empty();
    const bool begins_chain =
        is_message || (record.flags & kFlagReplace) != 0 || !message.last_update.is_set();
    message.last_update = is_chained ? Position{tail_->number, record.header.offset} : Position{};
    if (begins_chain) message.chain_segment = message.last_update.segment;
  }
  record.state = RecordState::placed;
  return Placement::placed;
}

// The header's place and the payload, or its fixed part, whose checksums the job fills in. False
// where there is nothing to tell any more.
bool StoreCore::make_payload(PendingRecord& record) {
  record.head.assign(kRecordHeaderBytes, '\0');
  switch (record.type) {
    case RecordType::message: {
      const std::optional<uint32_t> bytes = record.fixed.payload_bytes(record.flags);
      record.header.payload_bytes = bytes.value_or(kSegmentBytesMax);
      record.head.resize(kRecordHeaderBytes + kMessageFixedBytes);
      return true;
    }
    case RecordType::update: {
      const bool replaces = (record.flags & kFlagReplace) != 0;
      const Position previous = replaces ? Position{} : live_[record.slot].last_update;
      record.head += encode_update(previous, record.updates);
      break;
    }
    case RecordType::survivors: {
      const std::optional<std::string> payload = survivors_payload(record.survivors_of);
      if (!payload) return false;
      record.head += *payload;
      break;
    }
    case RecordType::end:
    case RecordType::start:
    case RecordType::index:
    case RecordType::seal:
    case RecordType::padding:
      break;
  }
  record.header.payload_bytes = static_cast<uint32_t>(record.head.size()) - kRecordHeaderBytes;
  return true;
}

IndexEntry StoreCore::index_entry(const PendingRecord& record) const {
  IndexEntry entry;
  entry.type = record.type;
  entry.flags = record.flags;
  entry.offset = record.header.offset;
  entry.record_bytes = record.header.record_bytes();
  entry.key = record.key;
  entry.envelope_bytes = record.fixed.envelope_bytes;
  entry.header_bytes = record.fixed.header_bytes;
  entry.body_bytes = record.fixed.body_bytes;
  entry.received = record.fixed.received;
  entry.is_inline = record.updates.size() <= kIndexedUpdateBytesMax;
  if (entry.is_inline) entry.items = record.updates;
  return entry;
}

std::optional<std::string> StoreCore::survivors_payload(uint32_t number) {
  const Segment* segment = find_segment(number);
  if (segment == nullptr) return std::nullopt;
  Survivors survivors;
  survivors.segment = number;
  survivors.cut = segment->cut;
  for (uint32_t slot = segment->first_live; slot != LiveTable::kNone; slot = live_[slot].next) {
    if (!live_[slot].is_ended) survivors.offsets.push_back(live_[slot].at.offset);
  }
  return encode_survivors(survivors);
}

}  // namespace godwit::spool
