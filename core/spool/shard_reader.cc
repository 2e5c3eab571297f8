#include "core/spool/shard_reader.h"

#include "core/spool/shard_image.h"

#include <algorithm>
#include <utility>

namespace godwit::spool {
namespace {

// Whether every file that was read is still what it was when it was read.
Result<bool> is_unchanged(Files& files, ShardImage& image) {
  const Result<std::vector<std::string>> names = files.list(image.dir());
  if (!names) return names.error();
  const auto is_there = [&](uint32_t number) {
    return std::find(names->begin(), names->end(), segment_name(number)) != names->end();
  };
  for (const auto& [number, segment] : image.segments()) {
    if (!is_there(number)) return false;
  }
  return std::all_of(image.empty_segments().begin(), image.empty_segments().end(), is_there);
}

Error gone_or(const Error& error) {
  if (error.code() == Errc::disk_error) return Error(Errc::not_found, error.detail());
  return error;
}

}  // namespace

ShardReader::ShardReader(Files& files, std::string dir) : files_(&files), dir_(std::move(dir)) {}
ShardReader::ShardReader(ShardReader&&) noexcept = default;
ShardReader& ShardReader::operator=(ShardReader&&) noexcept = default;
ShardReader::~ShardReader() = default;

Result<ShardReader> ShardReader::open(Files& files, std::string dir) {
  const Result<FileStat> stat = files.stat(dir);
  if (!stat) return stat.error();
  return ShardReader(files, std::move(dir));
}

Result<void> ShardReader::replay(RecoverySink& sink, const std::optional<MessageKey>& only) {
  for (int attempt = 0; attempt < kReaderAttempts; ++attempt) {
    image_ = std::make_unique<ShardImage>(*files_, dir_, FileOpen::read);
    const Result<void> loaded = image_->load();
    if (!loaded && loaded.error().code() != Errc::not_found) return loaded;
    if (!loaded) continue;
    std::vector<ReplayEvent> events;
    for (const auto& [number, segment] : image_->segments()) {
      Result<std::vector<ReplayEvent>> told = image_->events_of(number, only);
      if (!told) return told.error();
      std::move(told->begin(), told->end(), std::back_inserter(events));
    }
    const Result<bool> unchanged = is_unchanged(*files_, *image_);
    if (!unchanged) return unchanged.error();
    if (!*unchanged) continue;
    for (const ReplayEvent& event : events) event.tell(sink);
    for (const std::string& text : image_->damage()) sink.on_damage(text);
    return {};
  }
  return Error(Errc::locked, dir_ + " changes too fast");
}

std::vector<std::string> ShardReader::adopted() const {
  std::vector<std::string> out;
  if (image_ == nullptr) return out;
  for (const std::string& name : image_->adopted()) out.push_back(dir_ + "/" + name);
  return out;
}

Result<std::string> ShardReader::read_envelope(MessageRef ref) {
  Result<LoadedMessage> message = find(ref);
  if (!message) return message.error();
  const MessageFixed& fixed = message->fixed;
  const File& file = file_of(ref);
  Result<std::string> part =
      load_part(file, message->envelope_at, fixed.envelope_bytes, fixed.envelope_crc);
  if (!part) return gone_or(part.error());
  return part;
}

Result<std::string> ShardReader::read_headers(MessageRef ref) {
  Result<LoadedMessage> message = find(ref);
  if (!message) return message.error();
  const MessageFixed& fixed = message->fixed;
  const File& file = file_of(ref);
  Result<std::string> part =
      load_part(file, message->header_at, fixed.header_bytes, fixed.header_crc);
  if (!part) return gone_or(part.error());
  return part;
}

Result<size_t> ShardReader::read_body(MessageRef ref, uint64_t offset, std::span<char> into) {
  const Result<LoadedMessage> message = find(ref);
  if (!message) return message.error();
  const LiveMessage& live = image_->live()[ref.slot()];
  const Segment& segment = image_->segments().at(live.at.segment);
  ReadBodyCall call;
  call.file = segment.file;
  call.segment = segment.number;
  call.salt = segment.salt;
  call.at = live.at.offset;
  call.large_path = dir_ + "/" + std::string(kLargeFolder) + "/" + large_name(live.key);
  call.offset = offset;
  call.into = into;
  Result<size_t> got = call();
  if (!got) return gone_or(got.error());
  return got;
}

Result<LoadedMessage> ShardReader::find(MessageRef ref) const {
  if (!image_ || !image_->live().is_valid(ref.slot()) ||
      image_->live()[ref.slot()].key.low != ref.key_low()) {
    return Error(Errc::not_found, "message");
  }
  const LiveMessage& live = image_->live()[ref.slot()];
  const Segment& segment = image_->segments().at(live.at.segment);
  Result<LoadedMessage> message =
      load_message(*segment.file, segment.number, segment.salt, live.at.offset);
  if (!message) return gone_or(message.error());
  return message;
}

const File& ShardReader::file_of(MessageRef ref) const {
  return *image_->segments().at(image_->live()[ref.slot()].at.segment).file;
}

}  // namespace godwit::spool
