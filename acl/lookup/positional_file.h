// Reading databases by position. No mapping: a mapped file that somebody truncates kills the
// process (SIGBUS), a read only comes back short. On the loop a read that would wait for the disk
// says so (RWF_NOWAIT), and the lookup goes to the thread pool.
#pragma once

#include "acl/lookup/text_file.h"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace godwit::acl {

enum class ReadStatus : uint8_t {
  complete,
  ends,        // the file is shorter
  would_wait,  // not in memory
  failed,
};

// What a database is read from. Tests and fuzz targets pass memory.
class PositionalFile {
 public:
  virtual ~PositionalFile() = default;
  // Fills `into`. Any number of threads may call at once.
  virtual ReadStatus read(uint64_t offset, std::span<char> into, bool may_wait) const noexcept = 0;
};

class OpenFile final : public PositionalFile {
 public:
  OpenFile(int fd, FileStamp stamp) noexcept : fd_(fd), stamp_(stamp) {}
  ~OpenFile() override;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // `errno_value` says why there is none. Regular files only.
  static std::shared_ptr<OpenFile> open(const std::string& path, int& errno_value);
  const FileStamp& stamp() const noexcept { return stamp_; }
  ReadStatus read(uint64_t offset, std::span<char> into, bool may_wait) const noexcept override;

 private:
  int fd_;
  FileStamp stamp_;
};

// 0, or errno.
int stat_file(const std::string& path, FileStamp& stamp) noexcept;

// What a database lookup came to.
enum class DatabaseStatus : uint8_t { found, missing, would_wait, failed };

// The open databases of one kind, the least recently used last. T is made from a shared OpenFile
// and has `bool renew(const FileStamp&)`: true where it is still the
// file with that stamp.
template <class T>
class Databases {
 public:
  explicit Databases(size_t files_max) : files_max_(files_max) {}

  // Null: `errno_value` says why. The pointer keeps the database open whatever happens here.
  std::shared_ptr<T> get(std::string_view path_view, int& errno_value) {
    const std::string path(path_view);
    FileStamp stamp;
    errno_value = stat_file(path, stamp);
    const auto place = by_path_.find(path);
    if (place != by_path_.end()) {
      kept_.splice(kept_.begin(), kept_, place->second);
      if (errno_value == 0 && kept_.front().database->renew(stamp)) return kept_.front().database;
      by_path_.erase(place);
      kept_.pop_front();
    }
    if (errno_value != 0) return nullptr;
    std::shared_ptr<OpenFile> file = OpenFile::open(path, errno_value);
    if (file == nullptr) return nullptr;
    kept_.push_front({path, std::make_shared<T>(std::move(file))});
    by_path_[path] = kept_.begin();
    if (kept_.size() > files_max_) {
      by_path_.erase(kept_.back().path);
      kept_.pop_back();
    }
    return kept_.front().database;
  }

 private:
  struct Kept {
    std::string path;
    std::shared_ptr<T> database;
  };

  size_t files_max_;
  std::list<Kept> kept_;
  std::map<std::string, typename std::list<Kept>::iterator, std::less<>> by_path_;
};

}  // namespace godwit::acl
