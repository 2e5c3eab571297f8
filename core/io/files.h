// Files: the file system as a collaborator. Every call blocks and belongs on a pool thread (see
// Loop::submit) or in a program without a loop; any number of threads may call at once.
// SystemFiles is the operating system; tests pass a layer that forgets what was not synced.
// Errors: the errno's Errc, with the operation and the path as the detail.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct iovec;

namespace godwit {

enum class FileOpen : uint8_t {
  read,        // must exist
  read_write,  // must exist
  create,      // reading and writing; made where missing
  create_new,  // reading and writing; must not exist
  direct,  // writing past the system's cache; must exist. Errc::unsupported where that cannot be
};

// What is written to a file opened with FileOpen::direct: offset, length and address are multiples.
inline constexpr size_t kDirectAlignment = 4096;

struct FileStat {
  uint64_t bytes = 0;
  uint64_t inode = 0;
  bool is_directory = false;
};

struct DiskSpace {
  uint64_t free_bytes = 0;  // what an unprivileged process may still use
  uint64_t total_bytes = 0;
};

using FileId = int;

class Files {
 public:
  virtual ~Files() = default;

  virtual Result<FileId> open(const std::string& path, FileOpen how) = 0;
  virtual void close(FileId file) noexcept = 0;
  // May write less than asked; write_all() below goes on.
  virtual Result<size_t> write_at(FileId file, std::span<const iovec> parts, uint64_t offset) = 0;
  // Writes all of `bytes` to a file opened with FileOpen::direct; they, and their place in the file
  // where it was allocated, are on disk afterwards. Errc::unsupported: nothing was written, and
  // will not be by asking again.
  virtual Result<void> write_synced(FileId file, std::string_view bytes, uint64_t offset) = 0;
  // 0 at the end of the file; may read less than asked.
  virtual Result<size_t> read_at(FileId file, std::span<char> into, uint64_t offset) = 0;
  // The bytes and the length of the file are on disk afterwards. After an error nothing may be
  // assumed of what was written since the last success, and asking again proves nothing.
  virtual Result<void> sync_data(FileId file) = 0;
  // Reserves space and makes the file at least `bytes` long.
  virtual Result<void> allocate(FileId file, uint64_t bytes) = 0;
  // Exclusive, never waits: Errc::locked where somebody holds it. Ends with close() or the process.
  virtual Result<void> lock(FileId file) = 0;
  virtual Result<FileStat> stat(FileId file) = 0;

  virtual Result<FileStat> stat(const std::string& path) = 0;
  // Replaces `to` at once where it is a file.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> make_directory(const std::string& path) = 0;
  virtual Result<void> remove_directory(const std::string& path) = 0;
  // Names without "." and "..", in no order.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  // The directory's names (created, renamed, removed) are on disk afterwards.
  virtual Result<void> sync_directory(const std::string& path) = 0;
  virtual Result<DiskSpace> space(const std::string& path) = 0;
};

// An open file that closes itself.
class File {
 public:
  File() = default;
  File(Files& files, FileId id) : files_(&files), id_(id) {}
  File(File&& other) noexcept : files_(std::exchange(other.files_, nullptr)), id_(other.id_) {}
  File& operator=(File&& other) noexcept {
    close();
    files_ = std::exchange(other.files_, nullptr);
    id_ = other.id_;
    return *this;
  }
  ~File() { close(); }

  static Result<File> open(Files& files, const std::string& path, FileOpen how);

  bool is_open() const noexcept { return files_ != nullptr; }
  FileId id() const noexcept { return id_; }
  Files& files() const noexcept { return *files_; }
  void close() noexcept {
    if (files_ != nullptr) std::exchange(files_, nullptr)->close(id_);
  }

 private:
  Files* files_ = nullptr;
  FileId id_ = -1;
};

// Writes all of `parts` (which it consumes) at `offset`, however many calls that takes.
Result<void> write_all(Files& files, FileId file, std::span<iovec> parts, uint64_t offset);
Result<void> write_all(Files& files, FileId file, std::string_view bytes, uint64_t offset);
// Fills `into`; Errc::malformed where the file ends before.
Result<void> read_exactly(Files& files, FileId file, std::span<char> into, uint64_t offset);

class SystemFiles final : public Files {
 public:
  Result<FileId> open(const std::string& path, FileOpen how) override;
  void close(FileId file) noexcept override;
  Result<size_t> write_at(FileId file, std::span<const iovec> parts, uint64_t offset) override;
  Result<void> write_synced(FileId file, std::string_view bytes, uint64_t offset) override;
  Result<size_t> read_at(FileId file, std::span<char> into, uint64_t offset) override;
  Result<void> sync_data(FileId file) override;
  Result<void> allocate(FileId file, uint64_t bytes) override;
  Result<void> lock(FileId file) override;
  Result<FileStat> stat(FileId file) override;
  Result<FileStat> stat(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<DiskSpace> space(const std::string& path) override;
};

}  // namespace godwit
