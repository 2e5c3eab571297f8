// The text files of lsearch, wildlsearch, nwildlsearch and iplsearch, parsed:
//
//   key: data              a colon, white space or the end of the line ends a key
//     more data            a line that begins with white space goes on; it joins with one space
//   "key with: colon" data
//
// Empty lines and lines that begin with # count for nothing, also between a line and what goes on
// with it. Immutable once parsed; any thread may read. Any bytes are accepted.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

class LineFile {
 public:
  static Result<LineFile> parse(std::string bytes, const std::string& path);

  size_t size() const noexcept { return entries_.size(); }
  std::string_view key(size_t entry) const noexcept {
    const Entry& e = entries_[entry];
    return std::string_view(text_).substr(e.begin, e.key_bytes);
  }
  std::string_view data(size_t entry) const noexcept {
    const Entry& e = entries_[entry];
    return std::string_view(text_).substr(e.data, e.end - e.data);
  }
  // The key without its quotes, what separates it, and the data.
  std::string_view line(size_t entry) const noexcept {
    const Entry& e = entries_[entry];
    return std::string_view(text_).substr(e.begin, e.end - e.begin);
  }

  // The first entry with this key, in any case of its letters; size() where there is none.
  size_t find(std::string_view key) const noexcept;

 private:
  struct Entry {
    uint32_t begin;      // into text_
    uint32_t key_bytes;  // the key is at `begin`
    uint32_t data;
    uint32_t end;
  };

  void add_line(std::string_view line);
  void build_index();

  std::string text_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // open addressing over keys; 0 is empty, else the entry + 1
};

}  // namespace godwit::acl
