// Cache of what questions brought: answers, denials and, shortly, failures. Bounded in entries and
// in bytes; the least recently used goes first. Time is passed in. One a resolver.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "dns/resolver.h"

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace godwit::dns {

// An answer, and whether its CNAME chain ended before there was a record or a denial.
struct Finding {
  Answer answer;
  bool is_unfinished = false;
};

class Cache {
 public:
  Cache(size_t entries_max, size_t bytes_max) : entries_max_(entries_max), bytes_max_(bytes_max) {}

  struct Entry {
    std::string key;
    Result<Finding> finding;
    Instant until;
    size_t bytes = 0;
  };
  // Null where nothing is known, or nothing any more. Good until the next put().
  const Entry* find(std::string_view key, Instant now);
  // Replaces what was known under `key`.
  void put(std::string key, Result<Finding> finding, Instant until);
  void clear();

  size_t entries() const noexcept { return entries_.size(); }
  size_t bytes() const noexcept { return bytes_; }

 private:
  void drop(std::list<Entry>::iterator entry);

  size_t entries_max_;
  size_t bytes_max_;
  size_t bytes_ = 0;
  std::list<Entry> entries_;  // the most recently used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
};

}  // namespace godwit::dns
