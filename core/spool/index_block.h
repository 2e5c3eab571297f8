// The index block: what a recovery needs to know of every record of a segment, without the mail.
// Built as records are appended; written when the segment is sealed; rebuilt by a scan where it is
// missing.
#pragma once

#include "core/spool/record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::spool {

struct IndexEntry {
  RecordType type = RecordType::message;
  uint8_t flags = 0;
  uint32_t offset = 0;
  uint32_t record_bytes = 0;
  MessageKey key;
  // Of a message.
  uint32_t envelope_bytes = 0;
  uint32_t header_bytes = 0;
  uint64_t body_bytes = 0;
  WallTime received;
  // Items of an update, or carried by a message. Where they are too long for the index,
  // `is_inline` is false and they are read from the record.
  bool is_inline = true;
  std::string_view items;
};

class IndexBuilder {
 public:
  void add(const IndexEntry& entry);
  // The bytes that add() would take.
  static uint32_t entry_bytes(const IndexEntry& entry);
  // Of the whole payload so far.
  uint32_t payload_bytes() const {
    return static_cast<uint32_t>(entries_.size()) + kIndexFixedBytes;
  }
  uint32_t updates() const { return updates_; }
  uint32_t survivors() const { return survivors_; }
  // The payload of an index record.
  std::string payload() const;

  static constexpr uint32_t kIndexFixedBytes = 16;

 private:
  std::string entries_;
  uint32_t count_ = 0;
  uint32_t updates_ = 0;
  uint32_t survivors_ = 0;
};

// Reads a payload of an index record, entry by entry. The views point into `payload`.
class IndexReader {
 public:
  explicit IndexReader(std::string_view payload);
  // Nothing at the end, or where the block is broken (then is_broken()).
  std::optional<IndexEntry> next();
  bool is_broken() const { return broken_; }
  uint32_t updates() const { return updates_; }
  uint32_t survivors() const { return survivors_; }

 private:
  std::string_view payload_;
  size_t at_ = IndexBuilder::kIndexFixedBytes;
  uint32_t left_ = 0;
  uint32_t updates_ = 0;
  uint32_t survivors_ = 0;
  bool broken_ = false;
};

}  // namespace godwit::spool
