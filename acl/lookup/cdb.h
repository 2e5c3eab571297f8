// Constant databases (cr.yp.to/cdb/cdb.txt): 256 pointers to hash tables, records, hash tables.
// Every offset of the file is checked; a hostile file gives a wrong answer or an error, nothing
// else.
#pragma once

#include "acl/lookup/positional_file.h"

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace godwit::acl {

class Cdb {
 public:
  explicit Cdb(std::shared_ptr<const PositionalFile> file) : file_(std::move(file)) {}
  explicit Cdb(std::shared_ptr<OpenFile> file) : stamp_(file->stamp()), file_(std::move(file)) {}

  // Nothing of the content is kept.
  bool renew(const FileStamp& stamp) const noexcept { return stamp.is_same_file(stamp_); }
  const std::shared_ptr<const PositionalFile>& file() const noexcept { return file_; }
  // The first record of `key` into `value`, or why not into `problem`. Where it may not wait, only
  // what is in memory is read.
  DatabaseStatus get(std::string_view key, bool may_wait, std::string& value,
                     std::string& problem) const;

 private:
  DatabaseStatus read(uint64_t offset, std::span<char> into, bool may_wait,
                      std::string& problem) const;
  // Of the record at `offset`: missing where it has another key.
  DatabaseStatus get_record(uint64_t offset, std::string_view key, bool may_wait,
                            std::string& value, std::string& problem) const;

  FileStamp stamp_;
  std::shared_ptr<const PositionalFile> file_;
};

}  // namespace godwit::acl
