#include "core/spool/message_writer.h"

#include "core/spool/crc32c.h"
#include "core/spool/store_core.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace godwit::spool {
namespace {

constexpr size_t kFirstChunkBytes = 8 * 1024;
constexpr size_t kChunkBytesMax = 128 * 1024;

}  // namespace

// The file of a large body while it is written.
struct MessageWriter::LargeFile {
  Files* files;
  std::string path;
  File file;
  uint64_t bytes = 0;
  uint32_t crc = 0;

  Result<void> write(const std::vector<MessageBytes::Chunk>& chunks) {
    if (!file.is_open()) {
      Result<File> opened = File::open(*files, path, FileOpen::create_new);
      if (!opened) return opened.error();
      file = std::move(*opened);
    }
    for (const MessageBytes::Chunk& chunk : chunks) {
      const Result<void> written = write_all(*files, file.id(), chunk.view(), bytes);
      if (!written) return written;
      crc = crc32c(crc, chunk.view());
      bytes += chunk.size;
    }
    return {};
  }
  Result<void> sync(const std::string& folder) {
    Result<void> done = files->sync_data(file.id());
    if (done) done = files->sync_directory(folder);
    return done;
  }
};

MessageWriter::MessageWriter(StoreCore& core, MessageKey key)
    : core_(core),
      key_(key),
      received_(core.loop().clock().wall()),
      bytes_(std::make_shared<MessageBytes>()) {}

MessageWriter::~MessageWriter() {
  if (!large_ || is_committed_) return;
  // While the log may still name the file, it stays.
  if (is_committing_) {
    core_.remove_after_sync(large_->path);
  } else {
    core_.remove_soon(large_->path);
  }
}

Task<Result<void>> MessageWriter::append(std::string_view bytes) {
  GODWIT_ASSERT(!is_committing_);
  if (!state_) co_return state_;
  body_bytes_ += bytes.size();
  if (!large_ && body_bytes_ > core_.options().large_body_bytes) {
    large_ = std::make_unique<LargeFile>();
    large_->files = &core_.files();
    large_->path = core_.large_path(key_);
  }
  while (!bytes.empty()) {
    const size_t room =
        large_ ? kSpillBytes - std::min(kSpillBytes, bytes_in_memory_) : bytes.size();
    const size_t now = std::min(room, bytes.size());
    copy_to_chunks(bytes.substr(0, now));
    bytes.remove_prefix(now);
    if (!large_ || bytes_in_memory_ < kSpillBytes) continue;
    state_ = co_await spill();
    if (!state_) break;
  }
  co_return state_;
}

void MessageWriter::copy_to_chunks(std::string_view bytes) {
  bytes_in_memory_ += bytes.size();
  std::vector<MessageBytes::Chunk>& chunks = bytes_->body;
  while (!bytes.empty()) {
    if (chunks.empty() || chunks.back().size == chunks.back().bytes.capacity()) {
      const size_t doubled = chunks.empty() ? kFirstChunkBytes : chunks.back().bytes.capacity() * 2;
      MessageBytes::Chunk chunk;
      chunk.bytes = PooledBytes(std::min(std::max(doubled, bytes.size()), kChunkBytesMax));
      chunks.push_back(std::move(chunk));
    }
    MessageBytes::Chunk& chunk = chunks.back();
    const size_t taken = std::min(chunk.bytes.capacity() - chunk.size, bytes.size());
    std::memcpy(chunk.bytes.data() + chunk.size, bytes.data(), taken);
    chunk.size += taken;
    bytes.remove_prefix(taken);
  }
}

Task<Result<void>> MessageWriter::spill() {
  const std::vector<MessageBytes::Chunk> chunks = std::exchange(bytes_->body, {});
  bytes_in_memory_ = 0;
  auto write = [this, &chunks] { return large_->write(chunks); };
  Result<void> written = co_await blocking(core_.loop(), std::move(write));
  if (!written && written.error().code() != Errc::disk_full &&
      written.error().code() != Errc::already_exists) {
    written = Error(Errc::disk_error, written.error().to_string());
  }
  co_return written;
}

Task<Result<void>> MessageWriter::finish_large_file() {
  co_await ok(spill());
  const std::string folder = core_.path_of(kLargeFolder);
  auto sync = [this, &folder] { return large_->sync(folder); };
  const Result<void> synced = co_await blocking(core_.loop(), std::move(sync));
  if (!synced) co_return Error(Errc::disk_error, synced.error().to_string());
  co_return synced;
}

Task<Result<StoredMessage>> MessageWriter::commit(std::string envelope,
                                                  std::string header_section) {
  GODWIT_ASSERT(!is_committing_);
  if (!state_) co_return state_.error();
  if (envelope.size() > kEnvelopeBytesMax) co_return Error(Errc::too_long, "envelope");
  if (header_section.size() > kHeaderSectionBytesMax)
    co_return Error(Errc::too_long, "header section");
  auto record = std::make_shared<PendingRecord>();
  if (large_) {
    co_await ok(finish_large_file());
    record->flags = kFlagLargeBody;
    record->fixed.body_crc = large_->crc;
  }
  is_committing_ = true;
  bytes_->envelope = std::move(envelope);
  bytes_->header_section = std::move(header_section);
  bytes_->body_bytes = body_bytes_;
  record->type = RecordType::message;
  record->key = key_;
  record->bytes = bytes_;
  record->fixed.envelope_bytes = static_cast<uint32_t>(bytes_->envelope.size());
  record->fixed.header_bytes = static_cast<uint32_t>(bytes_->header_section.size());
  record->fixed.body_bytes = body_bytes_;
  record->fixed.received = received_;
  record->is_transient = true;
  core_.enqueue(record);
  co_await core_.settled(record);
  if (record->state != RecordState::durable) co_return *record->error;
  is_committed_ = true;
  StoredMessage stored;
  stored.ref = MessageRef(key_.low, record->slot);
  stored.key = key_;
  stored.envelope_bytes = record->fixed.envelope_bytes;
  stored.header_bytes = record->fixed.header_bytes;
  stored.body_bytes = body_bytes_;
  stored.received = received_;
  if (!large_) stored.bytes = std::move(bytes_);
  co_return stored;
}

}  // namespace godwit::spool
