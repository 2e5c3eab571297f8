#include "core/spool/segment_loader.h"

#include "core/spool/crc32c.h"

#include <algorithm>

namespace godwit::spool {
namespace {

constexpr size_t kWindowBytes = 1024 * 1024;
constexpr size_t kScanBytes = 64 * 1024;  // of the window, searched at a time
constexpr size_t kNumberAt = 8;           // of the segment, in a header
constexpr size_t kOffsetAt = 20;          // of the record itself

Error broken(uint32_t segment, uint32_t offset, std::string_view what) {
  std::string text = segment_name(segment) + " at " + std::to_string(offset) + ": ";
  text += what;
  return Error(Errc::disk_error, std::move(text));
}

// The file through a window, so that a scan reads each byte about once. What the disk cannot read
// counts as zeros.
class Window {
 public:
  Window(const File& file, uint32_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  // At most kWindowBytes; shorter at the end of the file.
  std::string_view at(uint64_t offset, size_t bytes) {
    if (offset >= file_bytes_) return {};
    bytes = std::min<size_t>(bytes, file_bytes_ - offset);
    if (offset < start_ || offset + bytes > start_ + buffer_.size()) fill(offset);
    return std::string_view(buffer_).substr(offset - start_, bytes);
  }
  const std::vector<uint64_t>& unreadable() const { return unreadable_; }

 private:
  void fill(uint64_t offset) {
    start_ = offset / kBlockBytes * kBlockBytes;
    const uint64_t left = file_bytes_ - start_;
    buffer_.assign(std::min<uint64_t>(left, kWindowBytes + kBlockBytes), '\0');
    if (read_exactly(file_.files(), file_.id(), buffer_, start_)) return;
    for (size_t at = 0; at < buffer_.size(); at += kBlockBytes) {
      const std::span<char> block(buffer_.data() + at,
                                  std::min<size_t>(kBlockBytes, buffer_.size() - at));
      if (read_exactly(file_.files(), file_.id(), block, start_ + at)) continue;
      std::fill(block.begin(), block.end(), '\0');
      unreadable_.push_back(start_ + at);
    }
  }

  const File& file_;
  uint64_t file_bytes_;
  uint64_t start_ = 0;
  std::string buffer_;
  std::vector<uint64_t> unreadable_;
};

uint32_t crc_of(Window& window, uint64_t at, uint64_t bytes, uint32_t seed) {
  uint32_t crc = seed;
  while (bytes > 0) {
    const std::string_view piece = window.at(at, std::min<uint64_t>(bytes, kWindowBytes));
    if (piece.empty()) return ~crc;
    crc = crc32c(crc, piece);
    at += piece.size();
    bytes -= piece.size();
  }
  return crc;
}

// The first place in `bytes` where a header of that segment could begin: most of what is scanned is
// zeros. Else the first place at which no header is there as a whole.
size_t find_number(std::string_view bytes, uint32_t number) {
  size_t at = 0;
  while (at + kRecordHeaderBytes <= bytes.size() && get_u32(bytes, at + kNumberAt) != number)
    at += kRecordAlignment;
  return at;
}

class Scanner {
 public:
  Scanner(LoadedSegment& out) : out_(out), window_(*out.segment.file, out.segment.bytes) {}

  void run() {
    uint32_t at = kStartBytes;
    for (;;) {
      uint32_t next = at;
      if (take(at, next)) {
        at = next;
        continue;
      }
      if (at >= durable_line(at)) break;
      const uint32_t found = next_header(at);
      out_.damage.push_back(lost_text(at, found));
      at = found;
    }
    out_.segment.end = at;
    note_torn(at);
    for (const uint64_t block : window_.unreadable()) {
      out_.damage.push_back(segment_name(number()) + " at " + std::to_string(block) +
                            ": the disk cannot read this block");
    }
    out_.segment.index = builder_;
    out_.index = builder_.payload();
  }

 private:
  uint32_t number() const { return out_.segment.number; }

  std::optional<RecordHeader> header_at(uint32_t at) {
    return decode_header(window_.at(at, kRecordHeaderBytes), number(), at, out_.segment.salt);
  }

  // Adds the record at `at`, where it is whole, and moves `next` behind it.
  bool take(uint32_t at, uint32_t& next) {
    const std::optional<RecordHeader> header = header_at(at);
    if (!header || header->type == RecordType::index || header->type == RecordType::seal ||
        header->type == RecordType::start) {
      return false;
    }
    if (uint64_t{at} + header->record_bytes() > out_.segment.bytes) return false;
    IndexEntry entry;
    entry.type = header->type;
    entry.flags = header->flags;
    entry.offset = at;
    entry.record_bytes = header->record_bytes();
    entry.key = header->key;
    std::string items;
    const bool whole = header->type == RecordType::message ? take_message(*header, entry, items)
                                                           : take_plain(*header, entry, items);
    if (!whole) return false;
    entry.items = items;
    if (header->type != RecordType::padding) builder_.add(entry);
    next = at + header->record_bytes();
    return true;
  }

  bool take_message(const RecordHeader& header, IndexEntry& entry, std::string& items) {
    const uint64_t payload_at = header.offset + kRecordHeaderBytes;
    const std::string_view head = window_.at(payload_at, kMessageFixedBytes);
    const std::optional<MessageFixed> fixed = decode_message_fixed(head);
    if (!fixed || !payload_matches(header, head, out_.segment.salt)) return false;
    if (fixed->payload_bytes(header.flags) != header.payload_bytes) return false;
    uint64_t at = payload_at + kMessageFixedBytes;
    if (crc_of(window_, at, fixed->envelope_bytes, 0) != fixed->envelope_crc) return false;
    at += fixed->envelope_bytes;
    if (crc_of(window_, at, fixed->header_bytes, 0) != fixed->header_crc) return false;
    at += fixed->header_bytes;
    if (crc_of(window_, at, fixed->updates_bytes, 0) != fixed->updates_crc) return false;
    entry.is_inline = fixed->updates_bytes <= kIndexedUpdateBytesMax;
    if (entry.is_inline) items = window_.at(at, fixed->updates_bytes);
    at += fixed->updates_bytes;
    const bool is_large = (header.flags & kFlagLargeBody) != 0;
    if (!is_large && crc_of(window_, at, fixed->body_bytes, 0) != fixed->body_crc) return false;
    entry.envelope_bytes = fixed->envelope_bytes;
    entry.header_bytes = fixed->header_bytes;
    entry.body_bytes = fixed->body_bytes;
    entry.received = fixed->received;
    return true;
  }

  bool take_plain(const RecordHeader& header, IndexEntry& entry, std::string& items) {
    const uint64_t at = header.offset + kRecordHeaderBytes;
    const uint32_t seed = salt_for(header.type, out_.segment.salt);
    if (crc_of(window_, at, header.payload_bytes, seed) != header.payload_crc) return false;
    if (header.type != RecordType::update) return true;
    if (header.payload_bytes < kUpdateFixedBytes) return false;
    const uint32_t bytes = header.payload_bytes - kUpdateFixedBytes;
    entry.is_inline = bytes <= kIndexedUpdateBytesMax;
    if (entry.is_inline) items = window_.at(at + kUpdateFixedBytes, bytes);
    return true;
  }

  // The next place behind `at` where a valid header is, or the end of the file.
  uint32_t next_header(uint32_t at) {
    const uint32_t last =
        out_.segment.bytes < kRecordHeaderBytes ? 0 : out_.segment.bytes - kRecordHeaderBytes;
    at += kRecordAlignment;
    while (at <= last) {
      const std::string_view bytes = window_.at(at, kScanBytes);
      const size_t skipped = find_number(bytes, number());
      at += static_cast<uint32_t>(skipped);
      if (skipped + kRecordHeaderBytes > bytes.size()) continue;
      if (get_u32(bytes, skipped + kOffsetAt) == at) {
        const auto header = header_at(at);
        if (header && header->type != RecordType::index && header->type != RecordType::seal)
          return at;
      }
      at += kRecordAlignment;
    }
    return out_.segment.bytes;
  }

  // Below this everything was on disk once, say the records behind `at`. Found once: the answer
  // is the same for every bad place.
  uint32_t durable_line(uint32_t at) {
    if (!durable_line_) {
      durable_line_ = 0;
      for (uint32_t found = next_header(at); found < out_.segment.bytes;
           found = next_header(found)) {
        durable_line_ = std::max(*durable_line_, header_at(found)->synced_to);
      }
      if (was_sealed()) durable_line_ = std::max(*durable_line_, sealed_end_);
    }
    return *durable_line_;
  }

  // A seal whose index is unreadable still tells how far the records went.
  bool was_sealed() {
    const uint32_t at = out_.segment.bytes - kSealBytes;
    const auto header = header_at(at);
    if (!header || header->type != RecordType::seal || header->payload_bytes != 16) return false;
    const std::string_view payload = window_.at(at + kRecordHeaderBytes, 16);
    if (!payload_matches(*header, payload, 0)) return false;
    sealed_end_ = std::min(get_u32(payload, 4), at);
    return true;
  }

  std::string lost_text(uint32_t at, uint32_t found) {
    std::string text = segment_name(number()) + " at " + std::to_string(at) + ": damaged up to " +
                       std::to_string(found);
    const std::optional<RecordHeader> header = header_at(at);
    if (header && header->type == RecordType::message) {
      text += ", message " + large_name(header->key) + " is lost";
    }
    return text;
  }

  void note_torn(uint32_t at) {
    const std::string_view rest = window_.at(at, kRecordHeaderBytes);
    if (rest.size() < kRecordHeaderBytes || get_u32(rest, kNumberAt) != number()) return;
    if (get_u32(rest, kOffsetAt) != at) return;
    const auto header = header_at(at);
    if (header && (header->type == RecordType::index || header->type == RecordType::seal)) return;
    out_.torn = segment_name(number()) + " at " + std::to_string(at) + ": torn end of the log";
  }

  LoadedSegment& out_;
  Window window_;
  IndexBuilder builder_;
  std::optional<uint32_t> durable_line_;
  uint32_t sealed_end_ = 0;
};

// Reads the salt from the start record, else from the seal.
bool find_salt(LoadedSegment& out) {
  char bytes[kSealBytes];
  const File& file = *out.segment.file;
  const auto try_at = [&](uint32_t offset, size_t size, RecordType type) {
    if (!read_exactly(file.files(), file.id(), std::span<char>(bytes, size), offset)) return false;
    const std::string_view record(bytes, size);
    const auto header = decode_header(record, out.segment.number, offset, 0);
    if (!header || header->type != type) return false;
    if (header->payload_bytes != size - kRecordHeaderBytes) return false;
    const std::string_view payload = record.substr(kRecordHeaderBytes);
    if (!payload_matches(*header, payload, 0)) return false;
    out.segment.salt = get_u32(payload, 0);
    return true;
  };
  if (try_at(0, kStartBytes, RecordType::start)) return true;
  if (!try_at(out.segment.bytes - kSealBytes, kSealBytes, RecordType::seal)) return false;
  out.damage.push_back(segment_name(out.segment.number) + " at 0: the start record is damaged");
  return true;
}

// True where the segment is sealed and its index proves whole.
bool load_by_index(LoadedSegment& out) {
  Segment& segment = out.segment;
  const File& file = *segment.file;
  const uint32_t seal_at = segment.bytes - kSealBytes;
  Result<LoadedRecord> seal = load_record(file, segment.number, segment.salt, seal_at);
  if (!seal || seal->header.type != RecordType::seal || seal->payload.size() < 16) return false;
  const uint32_t index_at = get_u32(seal->payload, 4);
  if (index_at < kStartBytes || index_at >= seal_at) return false;
  Result<LoadedRecord> index = load_record(file, segment.number, segment.salt, index_at);
  if (!index || index->header.type != RecordType::index) {
    out.damage.push_back(segment_name(segment.number) + " at " + std::to_string(index_at) +
                         ": the index is damaged, the records are scanned");
    return false;
  }
  out.index = std::move(index->payload);
  IndexReader reader(out.index);
  while (reader.next()) {
  }
  if (reader.is_broken()) return false;
  segment.end = index_at;
  segment.state = SegmentState::sealed;
  return true;
}

}  // namespace

Result<LoadedRecord> load_record(const File& file, uint32_t segment, uint32_t salt,
                                 uint32_t offset) {
  char bytes[kRecordHeaderBytes];
  Result<void> got = read_exactly(file.files(), file.id(), bytes, offset);
  if (!got) return got.error();
  const std::string_view head(bytes, sizeof bytes);
  const std::optional<RecordHeader> header = decode_header(head, segment, offset, salt);
  if (!header) return broken(segment, offset, "no record");
  const Result<FileStat> stat = file.files().stat(file.id());
  if (!stat) return stat.error();
  if (offset + uint64_t{header->record_bytes()} > stat->bytes) {
    return broken(segment, offset, "longer than the file");
  }
  LoadedRecord out;
  out.header = *header;
  out.payload.resize(header->payload_bytes);
  got = read_exactly(file.files(), file.id(), out.payload, offset + kRecordHeaderBytes);
  if (!got) return got.error();
  if (!payload_matches(*header, out.payload, salt)) return broken(segment, offset, "bad checksum");
  return out;
}

Result<LoadedMessage> load_message(const File& file, uint32_t segment, uint32_t salt,
                                   uint32_t offset) {
  char bytes[kRecordHeaderBytes + kMessageFixedBytes];
  Result<void> got = read_exactly(file.files(), file.id(), bytes, offset);
  if (!got) return got.error();
  const std::string_view head(bytes, sizeof bytes);
  const std::optional<RecordHeader> header = decode_header(head, segment, offset, salt);
  if (!header || header->type != RecordType::message) return broken(segment, offset, "no message");
  const std::string_view payload = head.substr(kRecordHeaderBytes);
  const std::optional<MessageFixed> fixed = decode_message_fixed(payload);
  if (!payload_matches(*header, payload, salt) ||
      fixed->payload_bytes(header->flags) != header->payload_bytes) {
    return broken(segment, offset, "bad checksum");
  }
  const Result<FileStat> stat = file.files().stat(file.id());
  if (!stat) return stat.error();
  if (offset + uint64_t{header->record_bytes()} > stat->bytes) {
    return broken(segment, offset, "longer than the file");
  }
  LoadedMessage out;
  out.header = *header;
  out.fixed = *fixed;
  out.envelope_at = uint64_t{offset} + sizeof bytes;
  out.header_at = out.envelope_at + fixed->envelope_bytes;
  out.updates_at = out.header_at + fixed->header_bytes;
  out.body_at = out.updates_at + fixed->updates_bytes;
  return out;
}

Result<std::string> load_part(const File& file, uint64_t at, uint64_t bytes, uint32_t crc) {
  std::string part(bytes, '\0');
  Result<void> got = read_exactly(file.files(), file.id(), part, at);
  if (!got) return got.error();
  if (crc32c(0, part) != crc) return Error(Errc::disk_error, "bad checksum");
  return part;
}

Result<LoadedWhole> load_whole(const File& file, uint32_t segment, uint32_t salt, uint32_t offset) {
  Result<LoadedMessage> message = load_message(file, segment, salt, offset);
  if (!message) return message.error();
  const MessageFixed& fixed = message->fixed;
  LoadedWhole out;
  out.message = *message;
  out.bytes = std::make_shared<MessageBytes>();
  auto envelope = load_part(file, message->envelope_at, fixed.envelope_bytes, fixed.envelope_crc);
  if (!envelope) return envelope.error();
  out.bytes->envelope = std::move(*envelope);
  auto headers = load_part(file, message->header_at, fixed.header_bytes, fixed.header_crc);
  if (!headers) return headers.error();
  out.bytes->header_section = std::move(*headers);
  auto updates = load_part(file, message->updates_at, fixed.updates_bytes, fixed.updates_crc);
  if (!updates) return updates.error();
  out.updates = std::move(*updates);
  if ((message->header.flags & kFlagLargeBody) != 0) return out;
  auto body = load_part(file, message->body_at, fixed.body_bytes, fixed.body_crc);
  if (!body) return body.error();
  MessageBytes::Chunk chunk;
  chunk.bytes = PooledBytes(body->size());
  chunk.size = body->copy(chunk.bytes.data(), body->size());
  out.bytes->body.push_back(std::move(chunk));
  out.bytes->body_bytes = fixed.body_bytes;
  return out;
}

Result<size_t> ReadBodyCall::operator()() {
  const Result<LoadedMessage> message = load_message(*file, segment, salt, at);
  if (!message) return message.error();
  const uint64_t body_bytes = message->fixed.body_bytes;
  if (offset >= body_bytes || into.empty()) return size_t{0};
  const size_t bytes = std::min<uint64_t>(into.size(), body_bytes - offset);
  const std::span<char> target = into.first(bytes);
  Result<void> done;
  if ((message->header.flags & kFlagLargeBody) != 0) {
    Result<File> large = File::open(file->files(), large_path, FileOpen::read);
    if (!large) return large.error();
    done = read_exactly(large->files(), large->id(), target, offset);
  } else {
    done = read_exactly(file->files(), file->id(), target, message->body_at + offset);
  }
  if (!done) return Error(Errc::disk_error, done.error().to_string());
  const bool is_whole = bytes == body_bytes;
  if (is_whole && crc32c(0, std::string_view(target.data(), bytes)) != message->fixed.body_crc) {
    return broken(segment, at, "bad checksum of the body");
  }
  return bytes;
}

IndexBuilder index_below(std::string_view index_payload, uint32_t cut) {
  IndexBuilder out;
  IndexReader reader(index_payload);
  while (const auto entry = reader.next()) {
    if (entry->offset < cut) out.add(*entry);
  }
  return out;
}

Result<std::optional<LoadedSegment>> load_segment(Files& files, const std::string& dir,
                                                  uint32_t number, FileOpen how) {
  Result<File> file = File::open(files, dir + "/" + segment_name(number), how);
  if (!file) return file.error();
  const Result<FileStat> stat = files.stat(file->id());
  if (!stat) return stat.error();
  if (stat->bytes < kStartBytes + kSealBytes || stat->bytes > kSegmentBytesMax) {
    return std::optional<LoadedSegment>();
  }
  LoadedSegment out;
  out.segment.number = number;
  out.segment.bytes = static_cast<uint32_t>(stat->bytes);
  out.segment.state = SegmentState::closed;
  out.segment.file = std::make_shared<File>(std::move(*file));
  if (!find_salt(out)) return std::optional<LoadedSegment>();
  if (!load_by_index(out)) Scanner(out).run();
  out.segment.synced_to = out.segment.end;
  out.segment.updates = IndexReader(out.index).updates();
  return std::optional<LoadedSegment>(std::move(out));
}

}  // namespace godwit::spool
