// The part of StoreCore that gets, seals and gives back the files of segments.
#include "core/spool/segment_loader.h"
#include "core/spool/store_core.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::spool {
namespace {

// Zeros over [from, to) of the file: written once, so that later syncs need not touch metadata.
struct ZeroCall {
  SegmentFile* segment;
  uint64_t from;
  uint64_t to;

  Result<void> operator()() {
    alignas(kDirectAlignment) static const std::array<char, 256 * 1024> kZeros{};
    const File& file = segment->file;
    for (uint64_t at = from; at < to; at += kZeros.size()) {
      const std::string_view zeros(kZeros.data(), std::min<uint64_t>(kZeros.size(), to - at));
      Result<void> done = write(zeros, at);
      if (!done) return done;
    }
    return file.files().sync_data(file.id());
  }

  Result<void> write(std::string_view zeros, uint64_t at) {
    const File& file = segment->file;
    File& direct = segment->direct;
    if (direct.is_open() && at % kDirectAlignment == 0 && zeros.size() % kDirectAlignment == 0) {
      Result<void> done = direct.files().write_synced(direct.id(), zeros, at);
      if (done || done.error().code() != Errc::unsupported) return done;
      direct.close();
    }
    return write_all(file.files(), file.id(), zeros, at);
  }
};

// Not open where the file system knows no direct writes.
File open_for_direct_writes(Files& files, const std::string& path, bool wanted) {
  Result<File> file = Error(Errc::unsupported);
  if (wanted) file = File::open(files, path, FileOpen::direct);
  return file ? std::move(*file) : File();
}

struct CreateCall {
  Files* files;
  std::string path;
  uint64_t bytes;
  bool direct;

  Result<SegmentFile> operator()() {
    Result<File> file = File::open(*files, path, FileOpen::create_new);
    if (!file) return file.error();
    const Result<void> allocated = files->allocate(file->id(), bytes);
    if (!allocated) return allocated.error();
    return SegmentFile{std::move(*file), open_for_direct_writes(*files, path, direct)};
  }
};

struct ReuseCall {
  Files* files;
  std::string from;
  std::string to;
  bool direct;

  Result<SegmentFile> operator()() {
    const Result<void> renamed = files->rename(from, to);
    if (!renamed) return renamed.error();
    Result<File> file = File::open(*files, to, FileOpen::read_write);
    if (!file) return file.error();
    return SegmentFile{std::move(*file), open_for_direct_writes(*files, to, direct)};
  }
};

// The start record, and the file's name, on disk.
struct StartCall {
  const File* file;
  std::string dir;
  std::string start;

  Result<void> operator()() {
    Result<void> done = write_all(file->files(), file->id(), start, 0);
    if (done) done = file->files().sync_data(file->id());
    if (done) done = file->files().sync_directory(dir);
    return done;
  }
};

// Takes a segment's file out of the log: renamed to a spare, or removed.
struct ReleaseCall {
  Files* files;
  std::string dir;
  std::string path;
  std::string spare_path;  // empty: remove

  Result<void> operator()() {
    Result<void> done = spare_path.empty() ? files->remove(path) : files->rename(path, spare_path);
    if (done) done = files->sync_directory(dir);
    return done;
  }
};

struct RemoveCall {
  Files* files;
  std::vector<std::string> paths;

  Result<void> operator()() {
    Result<void> last;
    for (const std::string& path : paths) {
      Result<void> done = files->remove(path);
      if (!done) last = std::move(done);
    }
    return last;
  }
};

}  // namespace

// The next segment becomes the tail, or false where there is none yet: then the old tail stays, for
// records that still fit into it.
bool StoreCore::roll() {
  if (!prepared_) {
    waits_for_segment_ = true;
    start_prepare();
    return false;
  }
  if (tail_ != nullptr) close_tail();
  const uint32_t number = prepared_->number;
  tail_ = &segments_.emplace(number, std::move(*prepared_)).first->second;
  prepared_.reset();
  if (!closing_) start_prepare();
  return true;
}

void StoreCore::close_tail() {
  Segment& segment = *std::exchange(tail_, nullptr);
  segment.state = SegmentState::closed;
  segment.direct.reset();
  background_.spawn(seal(segment.number));
  if (segment.live_messages == 0) cleaner_.kick();
}

void StoreCore::start_prepare() {
  if (preparing_ || closed_) return;
  preparing_ = true;
  background_.spawn(prepare(++last_number_));
}

Task<void> StoreCore::prepare(uint32_t number) {
  const uint64_t bytes = std::exchange(had_first_segment_, true) ? options_.segment_bytes
                                                                 : options_.first_segment_bytes;
  const uint64_t asked_before = next_sequence_;
  Result<SegmentFile> file = co_await make_segment_file(number, bytes);
  Result<void> done;
  Segment segment;
  if (file) {
    segment.number = number;
    segment.salt = static_cast<uint32_t>(random_.next());
    const Result<FileStat> stat = files_.stat(file->file.id());
    segment.bytes = static_cast<uint32_t>(stat ? stat->bytes : bytes);
    segment.end = segment.synced_to = kStartBytes;
    segment.file = std::make_shared<File>(std::move(file->file));
    if (file->direct.is_open()) segment.direct = std::make_shared<File>(std::move(file->direct));
    StartCall start{segment.file.get(), dir_, start_record(segment)};
    done = co_await blocking(loop_, std::move(start));
  } else {
    done = file.error();
  }
  if (done) {
    prepared_ = std::move(segment);
    prepare_error_.reset();
    cleaner_.kick_if_idle();
  } else {
    segment.file.reset();
    segment.direct.reset();
    prepare_error_ = done.error();
    if (prepare_error_->code() != Errc::disk_full) {
      prepare_error_ = Error(Errc::disk_error, prepare_error_->to_string());
    }
    RemoveCall remove{&files_, {path_of(segment_name(number))}};
    Result<void> removed = co_await blocking(loop_, std::move(remove));
    cleaner_.kick_if_idle();
    if (waits_for_segment_) fail_waiting(*prepare_error_, asked_before);
  }
  preparing_ = false;
  pump();
}

Task<Result<SegmentFile>> StoreCore::make_segment_file(uint32_t number, uint64_t bytes) {
  const std::string path = path_of(segment_name(number));
  if (!spares_.empty()) {
    ReuseCall reuse{&files_, path_of(spare_name(spares_.back())), path, writes_directly_};
    spares_.pop_back();
    Result<SegmentFile> reused = co_await blocking(loop_, std::move(reuse));
    if (reused) co_return reused;
  }
  // Where the disk has no room for a whole one, a smaller one keeps mail flowing.
  for (;;) {
    Result<SegmentFile> file = co_await create_segment_file(path, bytes);
    const bool is_full = !file && file.error().code() == Errc::disk_full;
    if (!is_full || bytes / 2 < options_.first_segment_bytes) co_return file;
    RemoveCall remove{&files_, {path}};
    Result<void> removed = co_await blocking(loop_, std::move(remove));
    if (!removed) co_return removed.error();
    bytes /= 2;
  }
}

Task<Result<SegmentFile>> StoreCore::create_segment_file(std::string path, uint64_t bytes) {
  CreateCall create{&files_, path, bytes, writes_directly_};
  Result<SegmentFile> file = co_await blocking(loop_, std::move(create));
  if (!file) co_return file;
  for (uint64_t at = 0; at < bytes && !closing_; at += kZeroBytesPerJob) {
    ZeroCall zero{&*file, at, std::min<uint64_t>(at + kZeroBytesPerJob, bytes)};
    const Result<void> done = co_await blocking(loop_, std::move(zero));
    if (!done) co_return done.error();
  }
  co_return file;
}

Task<void> StoreCore::seal(uint32_t number) {
  Segment& segment = segments_.at(number);
  segment.is_being_sealed = true;
  SealCall call(segment);
  const Result<void> sealed = co_await blocking(loop_, std::move(call));
  segment.is_being_sealed = false;
  if (sealed) {
    segment.state = SegmentState::sealed;
    segment.index = IndexBuilder();
  }
  if (segment.live_messages == 0) cleaner_.kick();
}

Task<Result<void>> StoreCore::release(Segment& segment) {
  const uint32_t number = segment.number;
  // A file whose sync failed once is not used again.
  const bool reuse = segment.cut == UINT32_MAX && segment.bytes == options_.segment_bytes &&
                     spares_.size() < options_.spare_segments;
  ReleaseCall call{&files_, dir_, path_of(segment_name(number)), {}};
  if (reuse) call.spare_path = path_of(spare_name(number));
  const Result<void> done = co_await blocking(loop_, std::move(call));
  if (!done) co_return done;
  segments_.erase(number);
  if (reuse) {
    spares_.push_back(number);
    ++counters_.recycled_segments;
  } else {
    ++counters_.removed_segments;
  }
  if (prepare_error_ && !prepared_) start_prepare();
  co_return done;
}

void StoreCore::remove_after_sync(std::string path) {
  removals_after_sync_.push_back(std::move(path));
}

void StoreCore::remove_soon(std::string path) {
  removals_.push_back(std::move(path));
  start_removals();
}

void StoreCore::start_removals() {
  if (removing_) return;
  removing_ = true;
  background_.spawn(run_removals());
}

Task<void> StoreCore::run_removals() {
  while (!removals_.empty()) {
    RemoveCall call{&files_, std::exchange(removals_, {})};
    // What cannot be removed now is found and removed by the next start.
    const Result<void> removed = co_await blocking(loop_, std::move(call));
  }
  removing_ = false;
}

}  // namespace godwit::spool
