// Files that are read whole and kept parsed: lsearch and its kin, json. A kept file is used as long
// as stat() gives the same device, inode, size and times; that is asked with every lookup, so that
// a file that was replaced or rewritten is seen at once. A file that was written just before it
// was read is read again until its time stamp is old enough to tell two writes apart.
#pragma once

#include "acl/lookup/pool.h"
#include "core/base/result.h"
#include "core/base/time.h"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

struct stat;

namespace godwit::acl {

struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  bool operator==(const FileStamp&) const = default;
  bool is_same_file(const FileStamp& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
  // Old enough that a later write would have another time stamp.
  bool is_settled(WallTime now) const noexcept;
};

FileStamp stamp_from(const struct stat& status) noexcept;
// Error: errno's, as lookup_deferred: "failed to open PATH for PURPOSE: why".
Result<FileStamp> stamp_of(const std::string& path, std::string_view purpose);
Error open_failure(const std::string& path, std::string_view purpose, int errno_value);

struct FileContent {
  FileStamp stamp;
  bool is_settled = false;
  std::string bytes;
};
// Blocks. Refuses what is no regular file and what is over kTextFileBytesMax.
Result<FileContent> read_whole_file(const std::string& path, std::string_view purpose);

// The parsed files of one kind, the least recently used last. T has
//   static Result<T> parse(std::string bytes, const std::string& path);
template <class T>
class TextFiles {
 public:
  using Pointer = std::shared_ptr<const T>;

  TextFiles(LookupPool& pool, size_t files_max, std::string_view purpose)
      : pool_(pool), files_max_(files_max), purpose_(purpose) {}

  // May wait on the current fiber where the file is big and not kept.
  Result<Pointer> get(std::string_view path_view) {
    const std::string path(path_view);
    const Result<FileStamp> stamp = stamp_of(path, purpose_);
    if (!stamp) return stamp.error();
    const auto place = by_path_.find(path);
    if (place != by_path_.end()) {
      kept_.splice(kept_.begin(), kept_, place->second);
      const Kept& kept = kept_.front();
      if (kept.stamp == *stamp && kept.is_settled) return kept.file;
    }
    if (stamp->bytes <= kSmallFileBytes) return keep(path, load(path, purpose_));
    return loading_.get(path, [&] {
      const std::string_view purpose = purpose_;
      return keep(path, pool_.run(path, [path, purpose] { return load(path, purpose); }));
    });
  }

 private:
  struct Kept {
    std::string path;
    FileStamp stamp;
    bool is_settled;
    Pointer file;
  };

  static Result<Kept> load(const std::string& path, std::string_view purpose) {
    Result<FileContent> content = read_whole_file(path, purpose);
    if (!content) return content.error();
    Result<T> parsed = T::parse(std::move(content->bytes), path);
    if (!parsed) return parsed.error();
    return Kept{path, content->stamp, content->is_settled,
                std::make_shared<const T>(std::move(*parsed))};
  }

  Result<Pointer> keep(const std::string& path, Result<Kept> loaded) {
    const auto old = by_path_.find(path);
    if (old != by_path_.end()) {
      kept_.erase(old->second);
      by_path_.erase(old);
    }
    if (!loaded) return loaded.error();
    Pointer file = loaded->file;
    kept_.push_front(std::move(*loaded));
    by_path_[path] = kept_.begin();
    if (kept_.size() > files_max_) {
      by_path_.erase(kept_.back().path);
      kept_.pop_back();
    }
    return file;
  }

  LookupPool& pool_;
  size_t files_max_;
  std::string_view purpose_;
  std::list<Kept> kept_;
  std::map<std::string, typename std::list<Kept>::iterator, std::less<>> by_path_;
  SharedWork<Result<Pointer>> loading_;
};

}  // namespace godwit::acl
