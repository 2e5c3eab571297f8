// PowerCutFiles: files in memory that behave like a disk at its worst. What was not synced may be
// there after a cut, or not, or in part (sectors of 512 bytes, in any order); names of files the
// same, as long as each folder keeps the order of its own changes. Counts the operations that
// change something, so that a test can cut the power, or fail a call, at each of them.
#pragma once

#include "core/base/random.h"
#include "core/io/files.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace godwit::test {

class PowerCutFiles : public Files {
 public:
  explicit PowerCutFiles(uint64_t seed);

  // Operations that change something, so far.
  uint64_t operations() const;
  // From the operation with this number on (counted from 0) everything fails; a write in which the
  // power goes may be there in part.
  void cut_power_at(uint64_t operation);
  void cut_power_now();
  bool is_off() const;
  // The machine starts again with what the disk has. No file may be open.
  void start_again();

  // The operation with this number fails with `code`. A failed sync loses a part of what it should
  // have written, and later syncs do not bring it back.
  void fail_at(uint64_t operation, Errc code);
  // As many writes from that one on are short.
  void write_short_at(uint64_t operation, uint64_t writes);
  // Files may not grow beyond this, all together.
  void set_capacity(uint64_t bytes);
  // Every sync of data, or every write, fails from now on, or no longer.
  void fail_syncs(bool fail);
  void fail_writes(bool fail);

  // Whether files can be opened with FileOpen::direct (not so at first), and written so: a file
  // system may open one and refuse the write.
  void allow_direct(bool opens, bool writes = true);

  // For tests that damage or build files themselves; on the disk at once.
  void write_file(const std::string& path, std::string content);
  Result<std::string> read_file(const std::string& path);
  void flip_byte(const std::string& path, uint64_t offset);

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

 private:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  struct Open {
    NodePtr node;
    bool is_direct = false;
  };
  struct Change {  // of one folder
    NodePtr folder;
    std::string name;
    NodePtr target;  // null: the name goes
  };
  using Changes = std::vector<Change>;  // that happen together
  struct Place {
    NodePtr folder;
    std::string name;
    NodePtr node;  // null where there is none
  };

  NodePtr make_node(bool is_folder);
  Result<Place> find(const std::string& path);
  Result<NodePtr> find_existing(const std::string& path);
  // Counts an operation; the error that it ends with, if any.
  std::optional<Error> begin_change(const char* what);
  void apply(Changes changes);
  void settle(const NodePtr& node);
  // The dirty sectors in [from, to) go to the disk; half of them where `fails`.
  void write_back(Node& node, uint64_t from, uint64_t to, bool fails);

  mutable std::mutex mutex_;
  Random random_;
  NodePtr root_;
  uint64_t next_inode_ = 1;
  std::map<FileId, Open> open_;
  FileId next_file_ = 3;
  std::vector<Changes> unsynced_names_;
  uint64_t operations_ = 0;
  uint64_t cut_at_ = UINT64_MAX;
  bool off_ = false;
  std::map<uint64_t, Errc> failures_;
  uint64_t short_from_ = UINT64_MAX;
  uint64_t short_left_ = 0;
  uint64_t capacity_ = UINT64_MAX;
  uint64_t used_ = 0;
  bool fail_syncs_ = false;
  bool fail_writes_ = false;
  bool opens_direct_ = false;
  bool writes_direct_ = false;
};

}  // namespace godwit::test
