// The part of StoreCore that takes over other shards. The other shard's folder first becomes a
// folder of this one, by one rename: from then on only this shard's owner sees it, and every open()
// goes on with it. Its messages are copied into the log where their keys are missing; nobody is
// told of them before all are on disk and the folder is out of the way. So a crash at any place
// neither loses nor doubles one.
#include "core/spool/segment_loader.h"
#include "core/spool/shard_image.h"
#include "core/spool/shard_lock.h"
#include "core/spool/store_core.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace godwit::spool {
namespace {

std::string base_name(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

struct TakeCall {
  Files* files;
  std::string from;
  std::string dir;
  std::string name;
  File* lock;

  Result<void> operator()() {
    Result<void> done = lock_shard(*files, from, false, *lock);
    if (done) done = files->rename(from, dir + "/" + name);
    if (done) done = files->sync_directory(dir);
    if (done) done = files->sync_directory(folder_of(from));
    return done;
  }
};

// Loads the adopted shard; what it had been adopting itself moves up into this shard.
struct LoadAdoptedCall {
  Files* files;
  std::string dir;
  std::string name;
  ShardImage* image;
  std::vector<std::string>* nested;
  std::vector<ReplayEvent>* events;

  Result<void> operator()() {
    const std::string path = dir + "/" + name;
    Result<void> done = image->load();
    for (const std::string& inner : image->adopted()) {
      if (done) done = files->rename(path + "/" + inner, dir + "/" + inner);
      nested->push_back(inner);
    }
    if (done && !image->adopted().empty()) {
      done = files->sync_directory(dir);
      if (done) done = files->sync_directory(path);
    }
    if (!done) return done;
    for (const auto& [number, segment] : image->segments()) {
      Result<std::vector<ReplayEvent>> told = image->events_of(number);
      if (!told) return told.error();
      std::move(told->begin(), told->end(), std::back_inserter(*events));
    }
    return {};
  }
};

struct LoadMessageCall {
  Files* files;
  const Segment* segment;
  uint32_t offset;
  std::string large_from;
  std::string large_to;
  PendingRecord* record;

  Result<void> operator()() {
    Result<LoadedWhole> whole = load_whole(*segment->file, segment->number, segment->salt, offset);
    if (!whole) return whole.error();
    record->flags = whole->message.header.flags & kFlagLargeBody;
    record->fixed = whole->message.fixed;
    record->bytes = std::move(whole->bytes);
    return record->flags != 0 ? take_large_body() : Result<void>();
  }

  // The file comes over before the record that names it. An earlier try may have done it.
  Result<void> take_large_body() {
    Result<void> done = files->rename(large_from, large_to);
    if (!done && done.error().code() == Errc::not_found) {
      const Result<FileStat> there = files->stat(large_to);
      if (!there) return there.error();
      done = {};
    }
    if (done) done = files->sync_directory(folder_of(large_to));
    if (done) done = files->sync_directory(folder_of(large_from));
    return done;
  }
};

struct DiscardCall {
  Files* files;
  std::string dir;
  std::string name;

  Result<void> operator()() {
    const std::string trash = dir + "/" + std::string(kTrashPrefix) + name;
    Result<void> done = files->rename(dir + "/" + name, trash);
    if (done) done = files->sync_directory(dir);
    if (!done) return done;
    // What stays of it is nobody's mail; the next open() removes it.
    const Result<void> removed = remove_shard_folder(*files, trash);
    return {};
  }
};

// What belongs to one message comes together, in the order that it had.
struct SortCall {
  std::vector<ReplayEvent>* events;

  bool operator()() {
    std::ranges::stable_sort(*events, {}, &ReplayEvent::key);
    return true;
  }
};

}  // namespace

struct StoreCore::Adoption {
  bool tell_present = false;
  std::vector<ReplayEvent> events;
  std::set<MessageKey> keys;  // of `events`
  std::vector<std::string> damage;
};

Task<Result<void>> StoreCore::adopt(std::string dir, RecoverySink& sink) {
  GODWIT_ASSERT(!adopting_);
  adopting_ = true;
  File lock;
  char token[17];
  std::snprintf(token, sizeof token, "%016llx", static_cast<unsigned long long>(random_.next()));
  const std::string name = std::string(kAdoptedPrefix) + base_name(dir) + "-" + token;
  TakeCall take{&files_, dir, dir_, name, &lock};
  Result<void> done = co_await blocking(loop_, std::move(take));
  if (done) {
    unfinished_adoptions_.push_back(name);
    done = co_await finish_adoptions(sink, true);
  }
  adopting_ = false;
  co_return done;
}

// A shard that was adopting another one when its owner died brings both; the inner one's messages
// may be in its log already. So nobody is told before all folders are done.
Task<Result<void>> StoreCore::finish_adoptions(RecoverySink& sink, bool tell_present) {
  Adoption adoption;
  adoption.tell_present = tell_present;
  while (!unfinished_adoptions_.empty()) {
    std::string name = unfinished_adoptions_.back();
    co_await ok(finish_adoption(std::move(name), adoption));
  }
  SortCall sort{&adoption.events};
  co_await blocking(loop_, sort);
  for (size_t i = 0; i < adoption.events.size(); ++i) {
    ReplayEvent& event = adoption.events[i];
    // Not inside a message: it must not be tried before all of its updates are known.
    const bool begins = i == 0 || adoption.events[i - 1].key != event.key;
    if (begins) co_await yield_if_late(loop_);
    const uint32_t slot = live_.find(event.key);
    if (slot == LiveTable::kNone) continue;
    event.ref = MessageRef(event.key.low, slot);
    event.tell(sink);
  }
  for (const std::string& text : adoption.damage) sink.on_damage(text);
  co_return Result<void>();
}

Task<Result<void>> StoreCore::finish_adoption(std::string name, Adoption& adoption) {
  ShardImage image(files_, path_of(name), FileOpen::read_write);
  std::vector<std::string> nested;
  std::vector<ReplayEvent> events;
  LoadAdoptedCall load{&files_, dir_, name, &image, &nested, &events};
  co_await ok(co_await blocking(loop_, std::move(load)));
  std::vector<ReplayEvent> fresh;
  for (ReplayEvent& event : events) {
    const bool is_present = live_.find(event.key) != LiveTable::kNone;
    const bool is_told_before =
        is_present && (!adoption.tell_present || adoption.keys.contains(event.key));
    if (!is_told_before) fresh.push_back(std::move(event));
    co_await yield_if_late(loop_);
  }
  co_await ok(copy_messages(image, fresh));

  DiscardCall discard{&files_, dir_, name};
  co_await ok(co_await blocking(loop_, std::move(discard)));
  std::erase(unfinished_adoptions_, name);
  for (std::string& inner : nested) unfinished_adoptions_.push_back(std::move(inner));
  for (ReplayEvent& event : fresh) {
    adoption.keys.insert(event.key);
    adoption.events.push_back(std::move(event));
    co_await yield_if_late(loop_);
  }
  for (const std::string& text : image.damage()) adoption.damage.push_back(name + ": " + text);
  co_return Result<void>();
}

Task<Result<void>> StoreCore::copy_messages(ShardImage& image,
                                            const std::vector<ReplayEvent>& events) {
  std::map<uint32_t, std::string> updates;
  for (const ReplayEvent& event : events) {
    if (!event.is_message) append_item(updates[event.ref.slot()], event.payload);
    co_await yield_if_late(loop_);
  }
  std::vector<RecordPtr> round;
  size_t bytes = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const ReplayEvent& event = events[i];
    if (event.is_message && live_.find(event.key) == LiveTable::kNone) {
      const uint32_t slot = event.ref.slot();
      RecordPtr record = co_await ok(copy_message(image, slot, std::move(updates[slot])));
      bytes += image.live()[slot].record_bytes();
      round.push_back(enqueue(std::move(record)));
    }
    const bool is_full = round.size() >= kMovedMessagesPerRound || bytes >= kMovedBytesPerRound;
    if (round.empty() || (!is_full && i + 1 < events.size())) continue;
    co_await ok(flush());
    for (const RecordPtr& record : round) {
      if (record->state == RecordState::failed) co_return *record->error;
    }
    round.clear();
    bytes = 0;
  }
  co_return Result<void>();
}

Task<Result<RecordPtr>> StoreCore::copy_message(ShardImage& image, uint32_t slot,
                                                std::string updates) {
  const LiveMessage& message = image.live()[slot];
  auto record = std::make_shared<PendingRecord>();
  record->type = RecordType::message;
  record->key = message.key;
  record->is_transient = true;
  const Segment& segment = image.segments().at(message.at.segment);
  const std::string large = "/" + std::string(kLargeFolder) + "/" + large_name(message.key);
  LoadMessageCall call{&files_,      &segment,    message.at.offset, image.dir() + large,
                       dir_ + large, record.get()};
  co_await ok(co_await blocking(loop_, std::move(call)));
  record->updates = std::move(updates);
  record->fixed.updates_bytes = static_cast<uint32_t>(record->updates.size());
  co_return record;
}

}  // namespace godwit::spool
