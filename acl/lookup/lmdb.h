// LMDB files (data version 1 of 0.9), read by position instead of by mapping: see
// positional_file.h. No lock file is needed or touched: pages of a committed snapshot change only
// after a later commit, which the file's meta pages show; a reader that finds them changed after
// its walk begins again. Every number of the file is checked.
//
// Layout: two meta pages, then pages of B+trees. A page: 16 bytes of header, 16-bit offsets of
// nodes growing up, nodes growing down. A value over about a quarter page has pages of its own.
#pragma once

#include "acl/lookup/positional_file.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace godwit::acl {

class Lmdb {
 public:
  explicit Lmdb(std::shared_ptr<const PositionalFile> file) : file_(std::move(file)) {}
  explicit Lmdb(std::shared_ptr<OpenFile> file) : stamp_(file->stamp()), file_(std::move(file)) {}

  // Whether this is the file with that stamp. Forgets the kept pages where it was written: commits
  // show in the meta pages, but a whole file may also be copied over.
  bool renew(const FileStamp& stamp);
  const std::shared_ptr<const PositionalFile>& file() const noexcept { return file_; }
  // The value of `key` (the first of several) in the unnamed database. On the loop's thread; for
  // the thread pool make another Lmdb of the same file.
  DatabaseStatus get(std::string_view key, bool may_wait, std::string& value, std::string& problem);

 private:
  static constexpr size_t kDatabaseBytes = 48;  // MDB_db
  struct Tree {                                 // of an MDB_db
    uint16_t flags = 0;
    uint64_t root = 0;
  };
  struct Snapshot {
    uint64_t transaction = 0;
    uint64_t last_page = 0;
    Tree tree;
    bool operator==(const Snapshot& other) const noexcept {
      return transaction == other.transaction && last_page == other.last_page &&
             tree.root == other.tree.root && tree.flags == other.tree.flags;
    }
  };
  struct Page {
    std::span<const char> bytes;
    uint16_t flags = 0;
    size_t nodes = 0;
  };
  struct Node {
    std::string_view key;
    std::string_view rest;  // of the page, behind the key: the value begins there
    uint32_t value_bytes = 0;
    uint16_t flags = 0;
    uint64_t child = 0;  // of a branch
  };
  struct Walk {  // one attempt
    bool may_wait;
    DatabaseStatus status = DatabaseStatus::found;
    std::string* problem;
  };

  static Tree read_tree(const char* bytes) noexcept;
  bool fail(Walk& walk, std::string_view problem) const;
  bool read(Walk& walk, uint64_t offset, std::span<char> into) const;
  bool read_snapshot(Walk& walk, Snapshot& snapshot);
  bool read_page_size(Walk& walk);
  bool load_page(Walk& walk, uint64_t number, Page& page);
  bool open_page(Walk& walk, std::span<const char> bytes, Page& page) const;
  bool node_at(Walk& walk, const Page& page, size_t index, Node& node) const;
  // Below the root, to the leaf that may hold `key`, or to the first leaf where `key` is null.
  bool descend(Walk& walk, const Tree& tree, const std::string_view* key, Page& leaf);
  bool find_in_leaf(Walk& walk, const Tree& tree, const Page& leaf, std::string_view key,
                    Node& node) const;
  void attempt(Walk& walk, std::string_view key, std::string& value);
  bool take_value(Walk& walk, const Node& node, std::string& value);
  bool take_first_of_several(Walk& walk, const Node& node, std::string& value);
  bool take_first_of_page(Walk& walk, const Page& page, std::string& value);

  FileStamp stamp_;
  std::shared_ptr<const PositionalFile> file_;
  size_t page_bytes_ = 0;  // 0: not known yet
  Snapshot snapshot_;      // that the kept pages are of
  std::unordered_map<uint64_t, std::unique_ptr<char[]>> pages_;
  std::unique_ptr<char[]> scratch_;  // the page that was loaded last, where it is not kept
  std::unique_ptr<char[]> metas_;
};

}  // namespace godwit::acl
