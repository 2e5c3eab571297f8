#include "core/spool/store.h"

#include "core/spool/crc32c.h"
#include "core/spool/segment_loader.h"
#include "core/spool/store_core.h"

#include <algorithm>
#include <utility>

namespace godwit::spool {
namespace {

enum class Part : uint8_t { envelope, headers };

struct ReadPartCall {
  std::shared_ptr<File> file;
  uint32_t segment;
  uint32_t salt;
  uint32_t offset;
  Part part;

  Result<std::string> operator()() {
    const Result<LoadedMessage> message = load_message(*file, segment, salt, offset);
    if (!message) return message.error();
    const MessageFixed& fixed = message->fixed;
    if (part == Part::envelope) {
      return load_part(*file, message->envelope_at, fixed.envelope_bytes, fixed.envelope_crc);
    }
    return load_part(*file, message->header_at, fixed.header_bytes, fixed.header_crc);
  }
};

Task<Result<std::string>> read_part(StoreCore& core, MessageRef ref, Part part) {
  if (!core.is_valid(ref)) co_return Error(Errc::not_found, "message");
  const Position at = core.live()[ref.slot()].at;
  const SegmentPin pin(core, core.segments().at(at.segment));
  ReadPartCall call{pin->file, pin->number, pin->salt, at.offset, part};
  Result<std::string> bytes = co_await blocking(core.loop(), std::move(call));
  co_return bytes;
}

}  // namespace

Store::Store(std::unique_ptr<StoreCore> core) : core_(std::move(core)) {}
Store::~Store() = default;

Task<Result<std::unique_ptr<Store>>> Store::open(Loop& loop, Files& files, std::string dir,
                                                 StoreOptions options, RecoverySink& sink) {
  auto core = std::make_unique<StoreCore>(loop, files, std::move(dir), options);
  const Result<void> opened = co_await core->open(sink);
  if (!opened) {
    co_await core->close();
    co_return opened.error();
  }
  co_return std::unique_ptr<Store>(new Store(std::move(core)));
}

std::unique_ptr<MessageWriter> Store::begin(MessageKey key) {
  return std::make_unique<MessageWriter>(*core_, key);
}

void Store::update(MessageRef ref, std::string payload, UpdateKind kind) {
  GODWIT_ASSERT(core_->is_valid(ref));
  GODWIT_ASSERT(payload.size() <= kUpdateBytesMax);
  GODWIT_ASSERT(payload.size() <= core_->options().segment_bytes / 2);
  auto record = std::make_shared<PendingRecord>();
  record->type = RecordType::update;
  record->flags = kind == UpdateKind::replace ? kFlagReplace : 0;
  record->key = core_->live()[ref.slot()].key;
  record->slot = ref.slot();
  append_item(record->updates, payload);
  core_->enqueue(std::move(record));
}

void Store::end(MessageRef ref) {
  GODWIT_ASSERT(core_->is_valid(ref));
  core_->end(ref.slot());
}

Task<Result<void>> Store::flush() {
  return core_->flush();
}

Task<Result<std::string>> Store::read_envelope(MessageRef ref) {
  return read_part(*core_, ref, Part::envelope);
}

Task<Result<std::string>> Store::read_headers(MessageRef ref) {
  return read_part(*core_, ref, Part::headers);
}

Task<Result<size_t>> Store::read_body(MessageRef ref, uint64_t offset, std::span<char> into) {
  if (!core_->is_valid(ref)) co_return Error(Errc::not_found, "message");
  const LiveMessage message = core_->live()[ref.slot()];
  const SegmentPin pin(*core_, core_->segments().at(message.at.segment));
  ReadBodyCall call;
  call.file = pin->file;
  call.segment = pin->number;
  call.salt = pin->salt;
  call.at = message.at.offset;
  call.large_path = core_->large_path(message.key);
  call.offset = offset;
  call.into = into;
  Result<size_t> got = co_await blocking(core_->loop(), std::move(call));
  co_return got;
}

Task<Result<void>> Store::adopt(std::string dir, RecoverySink& sink) {
  return core_->adopt(std::move(dir), sink);
}

Task<void> Store::close() {
  return core_->close();
}

StoreStats Store::stats() const {
  return core_->stats();
}

}  // namespace godwit::spool
