// The part of StoreCore that starts and ends: the lock, the recovery, the first segment.
#include "core/spool/shard_image.h"
#include "core/spool/shard_lock.h"
#include "core/spool/store_core.h"

#include <algorithm>
#include <set>
#include <utility>

namespace godwit::spool {
namespace {

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> make_folder(Files& files, const std::string& path) {
  const Result<void> made = files.make_directory(path);
  if (!made && made.error().code() == Errc::already_exists) return {};
  if (!made) return made;
  return files.sync_directory(parent_of(path));
}

struct LoadCall {
  Files* files;
  std::string dir;
  File* lock;
  ShardImage* image;

  Result<void> operator()() {
    Result<void> done = make_folder(*files, dir);
    if (done) done = lock_shard(*files, dir, true, *lock);
    if (done) done = make_folder(*files, dir + "/" + std::string(kLargeFolder));
    if (done) done = files->sync_directory(dir);
    if (done) done = image->load();
    return done;
  }
};

// What a crash or an earlier run left over.
struct TidyCall {
  Files* files;
  std::string dir;
  std::vector<std::string> removed_names;
  std::vector<std::pair<std::string, std::string>> renamed_names;
  std::vector<std::string> trash;

  Result<void> operator()() {
    for (const std::string& name : removed_names) {
      const Result<void> done = files->remove(dir + "/" + name);
      if (!done) return done;
    }
    for (const auto& [from, to] : renamed_names) {
      const Result<void> done = files->rename(dir + "/" + from, dir + "/" + to);
      if (!done) return done;
    }
    for (const std::string& name : trash) {
      const Result<void> done = remove_shard_folder(*files, dir + "/" + name);
      if (!done) return done;
    }
    return files->sync_directory(dir);
  }
};

struct ListLargeCall {
  Files* files;
  std::string folder;
  Result<std::vector<std::string>> operator()() { return files->list(folder); }
};

}  // namespace

Task<Result<void>> StoreCore::open(RecoverySink& sink) {
  ShardImage image(files_, dir_, FileOpen::read_write);
  LoadCall load{&files_, dir_, &lock_, &image};
  co_await ok(co_await blocking(loop_, std::move(load)));
  last_number_ = image.last_number();
  co_await ok(tell_all(image, sink));
  segments_ = std::move(image.segments());
  live_ = std::move(image.live());
  unfinished_adoptions_ = image.adopted();
  co_await ok(tidy(image));
  co_await ok(seal_closed());
  // Where there is no space the store opens all the same: deliveries make room.
  start_prepare();
  co_await background_.join();
  co_await ok(finish_adoptions(sink, false));
  co_await ok(check_large_bodies(sink));
  cleaner_.kick();
  co_return Result<void>();
}

Task<Result<void>> StoreCore::tell_all(ShardImage& image, RecoverySink& sink) {
  for (const auto& [number, segment] : image.segments()) {
    auto read = [&image, wanted = number] { return image.events_of(wanted); };
    std::vector<ReplayEvent> events = co_await ok(co_await blocking(loop_, std::move(read)));
    for (const ReplayEvent& event : events) {
      event.tell(sink);
      co_await yield_if_late(loop_);
    }
  }
  for (const std::string& text : image.damage()) sink.on_damage(text);
  co_return Result<void>();
}

Task<Result<void>> StoreCore::tidy(const ShardImage& image) {
  TidyCall call{&files_, dir_, {}, {}, image.trash()};
  std::vector<uint32_t> spares = image.spares();
  std::vector<std::string>& removed = call.removed_names;
  for (const uint32_t number : image.empty_segments()) removed.push_back(segment_name(number));
  std::sort(spares.begin(), spares.end());
  for (const uint32_t number : spares) {
    if (spares_.size() < options_.spare_segments) {
      spares_.push_back(number);
    } else {
      removed.push_back(spare_name(number));
    }
  }
  for (auto at = segments_.begin(); at != segments_.end();) {
    const Segment& segment = at->second;
    const bool is_unused = segment.state == SegmentState::closed && segment.end == kStartBytes;
    if (!is_unused) {
      ++at;
      continue;
    }
    if (segment.bytes == options_.segment_bytes && spares_.size() < options_.spare_segments) {
      call.renamed_names.emplace_back(segment_name(at->first), spare_name(at->first));
      spares_.push_back(at->first);
    } else {
      removed.push_back(segment_name(at->first));
    }
    at = segments_.erase(at);
  }
  Result<void> done = co_await blocking(loop_, std::move(call));
  co_return done;
}

// Segments that a crash left open, or a failure closed without an index.
Task<Result<void>> StoreCore::seal_closed() {
  for (auto& [number, segment] : segments_) {
    if (segment.state != SegmentState::closed || !segment.has_room_to_seal()) continue;
    SealCall call(segment);
    co_await ok(co_await blocking(loop_, std::move(call)));
    segment.state = SegmentState::sealed;
    segment.cut = UINT32_MAX;
    segment.index = IndexBuilder();
  }
  co_return Result<void>();
}

// A large body without a message is a leftover; a message without its large body is damage.
Task<Result<void>> StoreCore::check_large_bodies(RecoverySink& sink) {
  ListLargeCall call{&files_, path_of(kLargeFolder)};
  const std::vector<std::string> names = co_await ok(co_await blocking(loop_, std::move(call)));
  std::set<std::string> left(names.begin(), names.end());
  for (auto& [number, segment] : segments_) {
    for (uint32_t slot = segment.first_live; slot != LiveTable::kNone; slot = live_[slot].next) {
      if (!live_[slot].is_large) continue;
      const std::string name = large_name(live_[slot].key);
      if (left.erase(name) == 0) sink.on_damage("the large body of message " + name + " is gone");
    }
  }
  for (const std::string& name : left) remove_soon(path_of(kLargeFolder) + "/" + name);
  co_return Result<void>();
}

Task<void> StoreCore::close() {
  closing_ = true;
  const bool has_lock = lock_.is_open();
  if (has_lock) const Result<void> flushed = co_await flush();
  // What runs beside still needs batches to come to its end.
  co_await background_.join();
  closed_ = true;
  while (batch_in_flight_) {
    struct Idle {
      StoreCore& core;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiter) noexcept { core.idle_waiter_ = waiter; }
      void await_resume() const noexcept {}
    };
    Idle idle{*this};
    co_await idle;
  }
  timer_.disarm();
  // Whoever resumed this is left behind before the store goes away, and so are the hooks.
  do {
    Sleep next_turn(loop_.timers(), Millis{1});
    co_await next_turn;
  } while (turn_end_.is_pending() || cleaner_.is_scheduled());
  segments_.clear();
  prepared_.reset();
  lock_.close();
}

}  // namespace godwit::spool
